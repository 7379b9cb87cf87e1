/*
 * pcopy: copies file trees with many threads over several mount points.
 *
 * A map of the source. Each module is src/X.c behind include/pcopy/X.h; includes point downwards.
 *
 *      main        this file: options in, exit status out
 *      options     the command line, one table of options, --help
 *      transfer    THE PIPELINE; read this one first
 *      failover    a supervisor, that starts over without a mount point that hangs
 *      watch       which mount points answer
 *        plan      SRC and DST operands to root directories; all refusals
 *        explain   what the mount points are and can do, in words
 *        walk      source directories to entries, several threads
 *        queue     bounded lock-free queue between walkers and copy threads (queue_mutex: its twin)
 *          names   the names of --files-from, walked in place of listed directories
 *        copy      one entry to disk: data, holes, links, special files; a directory's metadata
 *          compare what makes an existing file due for copying
 *          meta    owner, extended attributes, mode, ACL, times, in the right order
 *          mounts  the mount points of the destination, and which one an entry takes
 *          sweep   what the source does not have: temporary names, and with --delete the rest
 *          remove  takes a tree away
 *        tree      entries, directories and their open handles, hard-link groups
 *          snapshot  what was in a directory of the destination, by one listing
 *        check     the files of a tree against a list of checksums
 *        filter    which entries are left out
 *        sums      lists of checksums
 *        report    counters, error lines, progress, summary, exit status
 *      sys         every file-system system call, and nothing else
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pcopy/failover.h"
#include "pcopy/options.h"
#include "pcopy/report.h"
#include "pcopy/transfer.h"

/*
 * A standard stream that was closed would be the next file that is opened, and that would get our
 * lines. What takes its place can be read or written as little as a closed one.
 */
static void fill_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
}

static int print_help(void)
{
    char *help = pc_options_help();
    const int bad = !help || fputs(help, stdout) < 0;
    free(help);
    return bad;
}

int main(int argc, char **argv)
{
    struct pc_options options;
    char problem[512];
    int bad = 0;

    fill_streams();
    switch (pc_options_parse(argc, argv, &options, problem, sizeof problem)) {
    case PC_REQUEST_HELP:
        bad = print_help();
        break;
    case PC_REQUEST_VERSION:
        bad = puts("pcopy " PCOPY_VERSION) < 0;
        break;
    case PC_REQUEST_REFUSED:
        fprintf(stderr, "pcopy: %s\nTry 'pcopy --help'.\n", problem);
        return PC_STATUS_USAGE;
    case PC_REQUEST_RUN: {
        if (options.mounts.count || options.source_mounts.count)
            pc_failover_start(&options);
        const enum pc_status status = pc_transfer_run(&options);
        pc_options_free(&options);
        return (int)status;
    }
    }
    if (fflush(stdout) != 0)
        bad = 1;
    return bad ? PC_STATUS_RUN : PC_STATUS_DONE;
}
