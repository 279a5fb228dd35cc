# Completion for bash: options, their values and commands are those that the program's own --help
# lists.

# The command among the words before the cursor: the first that is neither an option nor its value.
_mbimage_command() {
	local help=$1 i
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} != -* ]]; then
			echo "${COMP_WORDS[i]}"
			return
		fi
		[[ ${COMP_WORDS[i + 1]} == '=' ]] && ((i += 2)) && continue
		[[ $help =~ [[:space:]]"${COMP_WORDS[i]} "[A-Z] ]] && ((i += 1))
	done
}

# What can be completed for the operand NAME of the help.
_mbimage_operand() {
	case $1 in
	FILE)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		;;
	ADDRESS | ADDR=*)
		[[ $help == *TABLE:NUMBER* ]] || return # of the network
		compopt -o nospace
		mapfile -t COMPREPLY < <(compgen -W 'coil: discrete: holding: input:' -- "$word")
		;;
	esac
}

_mbimage() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local help values command
	help=$("$1" --help 2>/dev/null) || return
	# bash ends a word at = and at :
	if [[ $word == '=' || $before == '=' ]]; then
		[[ $word == '=' ]] || before=${COMP_WORDS[COMP_CWORD - 2]}
		word=${word#=}
	fi
	if [[ $help =~ [[:space:]]"$before "(TYPE|ORDER|FORMAT)\ +([^$'\n']*) ]]; then
		values=${BASH_REMATCH[2]##*: }
		values=${values// or / }
		mapfile -t COMPREPLY < <(compgen -W "${values//,/}" -- "$word")
	elif [[ $before == --* && $help =~ [[:space:]]"$before "([A-Z][A-Z=]*) ]]; then
		_mbimage_operand "${BASH_REMATCH[1]}"
	elif [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(grep -oE '^ +--[a-z-]+' <<<"$help")" \
			-- "$word")
	elif [[ $help == *$'\nCommands:\n'* ]]; then
		command=$(_mbimage_command "$help")
		if [[ ! $command ]]; then
			mapfile -t COMPREPLY < <(
				compgen -W "$(sed -nE 's/^  ([a-z]+)( .*)?$/\1/p' <<<"$help")" \
					-- "$word")
		elif [[ $command == source && $before == source ]]; then
			mapfile -t COMPREPLY < <(compgen -W forget -- "$word")
		elif [[ $before != ':' && $help =~ $'\n  '"$command "\[?([A-Z]+) ]]; then
			_mbimage_operand "${BASH_REMATCH[1]}"
		fi
	fi
}
complete -F _mbimage mbserverd simulatord mbclient mbshm
