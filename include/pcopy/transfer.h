/*
 * transfer: the whole pipeline, from operands to exit status.
 */
#ifndef PCOPY_TRANSFER_H
#define PCOPY_TRANSFER_H

#include "pcopy/options.h"
#include "pcopy/report.h"

/*
 * Does what the options say and reports it. Blocks SIGINT, SIGTERM, SIGHUP and SIGUSR1 in the
 * calling thread and handles them itself, and SIGTTOU; sets the umask to 0 and raises the soft
 * limit of open files to the hard one. To be called once at a time, from a process without other
 * threads.
 */
enum pc_status pc_transfer_run(const struct pc_options *o);

#endif
