/*
 * ranges: who copies which big file. A big file is copied range by range, by the thread that has
 * opened it and by as many others as have nothing better to do.
 *
 * While there is other work, only a share of the threads copies big files, so that a big file among
 * many small ones holds nobody up; entries of big files that come when the share is used up are put
 * aside. When there is no other work, all threads take what was put aside and help with what is
 * open.
 *
 * All functions but new and free may be called by any number of threads.
 */
#ifndef PCOPY_RANGES_H
#define PCOPY_RANGES_H

#include <stdbool.h>

#include "pcopy/tree.h"

struct pc_ranges;
struct pc_hand;

/* A big file that is open. It lives with the thread that has opened it. */
struct pc_big {
    /*
     * Takes a range that nobody has taken yet and copies it, in the buffer of the calling thread.
     * False if there was none. Called by several threads at the same time.
     */
    bool (*step)(struct pc_big *big, struct pc_hand *hand);
    struct pc_big *next; /* the rest is for ranges.c */
    unsigned helpers;
    bool listed;
};

enum pc_turn {
    PC_TURN_NONE,   /* nothing to do here */
    PC_TURN_ENTRY,  /* *entry, which was put aside, is the caller's */
    PC_TURN_HELPED, /* a range was copied */
};

/*
 * Makes an empty set for a pass with `threads` copy threads. `call` is called, from any thread,
 * when up to `count` threads that wait for work could help. Returns 0 or -ENOMEM.
 */
int pc_ranges_new(struct pc_ranges **out, unsigned threads,
                  void (*call)(void *context, unsigned count), void *context);
void pc_ranges_free(struct pc_ranges *set);

/* Copies all of `big` with whoever comes to help. Returns when the last range is done. */
void pc_ranges_copy(struct pc_ranges *set, struct pc_big *big, struct pc_hand *hand,
                    unsigned helpers_wanted);

/* True if the entry of a big file should rather be put aside. A guess: others change it. */
bool pc_ranges_crowded(struct pc_ranges *set);

/* Puts an entry aside, for pc_ranges_turn() to hand out again. */
void pc_ranges_put_aside(struct pc_ranges *set, struct pc_entry *entry);

/* True if a turn may have something to do. Costs next to nothing. */
bool pc_ranges_waiting(const struct pc_ranges *set);

/*
 * Who comes by a file notes whether it is a small one, and who looks for files in vain that there
 * are none. As long as there are small ones, big files are sent a little at a time: over one
 * connection, calls for small files stand in line behind all that is under way. pc_ranges_begin()
 * is true if it is so now; then the caller has the only turn to send, waits until what it sends is
 * there, and calls pc_ranges_end().
 */
void pc_ranges_note(struct pc_ranges *set, bool small_files);
bool pc_ranges_begin(struct pc_ranges *set);
void pc_ranges_end(struct pc_ranges *set);

/* One turn at big files; with `share` only if the share of the threads is not used up. */
enum pc_turn pc_ranges_turn(struct pc_ranges *set, bool share, struct pc_hand *hand,
                            struct pc_entry **entry);

#endif
