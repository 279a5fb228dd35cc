# Completion for bash: options, their values and commands are those that the program's own --help
# lists.
_mbimage() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} help values
	help=$("$1" --help 2>/dev/null) || return
	if [[ $before == --plant || $help =~ [[:space:]]"$before "FILE ]]; then
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	elif [[ $help =~ [[:space:]]"$before "(TYPE|ORDER|FORMAT)\ +([^$'\n']*) ]]; then
		values=${BASH_REMATCH[2]##*: }
		values=${values// or / }
		mapfile -t COMPREPLY < <(compgen -W "${values//,/}" -- "$word")
	elif [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(grep -oE '^ +--[a-z-]+' <<<"$help")" \
			-- "$word")
	elif [[ $1 == *mbshm && $before == source ]]; then
		COMPREPLY=(forget)
	elif [[ $1 == *mbshm ]]; then
		# A command, then files.
		mapfile -t COMPREPLY < <(
			compgen -W "$(sed -nE 's/^  ([a-z]+)( .*)?$/\1/p' <<<"$help")" -- "$word"
			compgen -f -- "$word")
	fi
}
complete -F _mbimage mbserverd simulatord mbclient mbshm
