/* The dialogue: read, write, configure, exit, until the input ends. */
#ifndef MBCLIENT_MENU_H
#define MBCLIENT_MENU_H

#include "mbclient/session.h"

/* Run it.  Nothing is sent before all answers are complete and valid.  When a request fails, the
 * reason is printed and the dialogue goes on.  Returns on Exit, at the end of the input, and on
 * Ctrl-C at a prompt; Ctrl-C in a series of reads ends the series. */
void menu_run(struct session *session);

#endif
