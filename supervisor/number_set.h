/* A set of numbers that only grows: what was seen already (an open file, a piece of a given file, a rule). All zero is the empty set. */
#ifndef SUPERVISOR_NUMBER_SET_H
#define SUPERVISOR_NUMBER_SET_H

#include <stddef.h>
#include <stdint.h>

struct number_set {
    uint64_t *slot; /* 0: free; owned */
    size_t count, room;
};

/* 1: it was not in the set before; 0: it was; -ENOMEM: and nothing changed. number is not 0. */
int number_set_add(struct number_set *s, uint64_t number);
void number_set_free(struct number_set *s);

#endif
