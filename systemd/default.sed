# From the built-in plant to /etc/mbimage/default.conf, the plant of the installed services.
1,2c\
# The plant of mbserverd@default, simulatord@default and mbimage-retain@default.\
# Addresses are those on the wire, 0-based.\
# mbimage.conf(5) explains every setting; "mbserverd --plant FILE --check" finds mistakes.
/^  name  /a\
  group             = "mbimage"				# its members may read and write\
  retain            = "/var/lib/mbimage/default.values"	# survives a reboot
s|^  listen .*|  # For mbclient.  The service listens where mbserverd@default.socket says: on this\
  # machine only, until "systemctl edit mbserverd@default.socket" says otherwise.\
  listen   = ["127.0.0.1:502"]|
