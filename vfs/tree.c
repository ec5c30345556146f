/* Dentries and the tables of their children: the one tree everything hangs in. References and absence: vfs/node.h. */
#include "vfs/node.h"

#include <stdlib.h>
#include <string.h>

enum {
    TABLE_FIRST = 8,      /* buckets */
    NEGATIVE_MOST = 1024, /* absent names remembered in one directory; a guest that asks for more starts them anew */
    COOKIE_FIRST = 2,     /* 0 and 1 are "." and ".." */
};

/* Keyed, eight bytes at a time, folding a 128-bit product: a guest that does not know the key cannot aim at a bucket.
 */
uint32_t name_hash(const struct vfs *v, const char *name, size_t length)
{
    uint64_t h = v->hash_key[0] ^ length;
    while (length > 0) {
        uint64_t word = 0;
        size_t n = length < 8 ? length : 8;
        memcpy(&word, name, n);
        unsigned __int128 product = (unsigned __int128)(h ^ word) * ((v->hash_key[1] | 1) ^ 0x9e3779b97f4a7c15ull);
        h = (uint64_t)product ^ (uint64_t)(product >> 64);
        name += n;
        length -= n;
    }
    return (uint32_t)(h ^ h >> 32);
}

/* ---- dentries ------------------------------------------------------------------------------------------------- */

struct dentry *dentry_new(struct dentry *parent, const char *name, size_t length, uint32_t hash, struct node *node)
{
    struct dentry *d = calloc(1, sizeof *d + length + 1);
    if (!d)
        return NULL;
    memcpy(d->inline_name, name, length);
    d->name = d->inline_name;
    d->length = (uint8_t)length;
    d->hash = hash;
    d->references = 1;
    d->node = node;
    d->parent = parent;
    if (parent)
        dentry_get(parent);
    return d;
}

void dentry_get(struct dentry *d)
{
    d->references++;
}

static void directory_free(struct directory *c)
{
    if (!c)
        return;
    free(c->table);
    free(c->slots);
    free(c);
}

void dentry_put(struct dentry *d)
{
    /* A loop, not a recursion: the guest chooses how deep its directories are. */
    while (d && --d->references == 0) {
        struct dentry *parent = d->parent;
        if (d->node && (d->flags & DENTRY_CHARGED))
            node_vfs(d->node)->usage.nodes--;
        if (!(d->flags & DENTRY_LISTED))
            node_put(d->node);
        if (d->flags & DENTRY_OWN_NAME)
            free((char *)d->name); /* NOLINT(clang-analyzer-unix.Malloc): the flag says that it is not the inline one */
        directory_free(d->children);
        free(d);
        d = parent;
    }
}

struct node *dentry_node(const struct dentry *d)
{
    return d->flags & DENTRY_LISTED ? NULL : d->node;
}

void dentry_rename(struct dentry *d, struct dentry *parent, char *name, size_t length, uint32_t hash)
{
    if (d->flags & DENTRY_OWN_NAME)
        free((char *)d->name);
    d->name = name;
    d->flags |= DENTRY_OWN_NAME;
    d->length = (uint8_t)length;
    d->hash = hash;
    dentry_get(parent);
    dentry_put(d->parent);
    d->parent = parent;
}

ssize_t dentry_path(const struct dentry *d, const struct dentry *root, char *buf, size_t n)
{
    static const char deleted[] = " (deleted)", unreachable[] = "(unreachable)";
    bool is_deleted = d->flags & (DENTRY_UNLINKED | DENTRY_FLOATING);
    size_t at = n; /* built from the end */
    if (n < 2)
        return -ERANGE;
    buf[--at] = 0;
    if (is_deleted) {
        if (at < sizeof deleted - 1)
            return -ERANGE;
        at -= sizeof deleted - 1;
        memcpy(buf + at, deleted, sizeof deleted - 1);
    }
    size_t tail = at;
    const struct dentry *up = d;
    while (up != root && (up->parent || up->flags & DENTRY_FLOATING)) {
        if (at < (size_t)up->length + 1)
            return -ERANGE;
        at -= up->length;
        memcpy(buf + at, up->name, up->length);
        buf[--at] = '/';
        if (!up->parent)
            break;
        up = up->parent;
    }
    if (at == tail) {
        if (at < 1)
            return -ERANGE;
        buf[--at] = '/';
    }
    if (up != root && !(up->flags & DENTRY_FLOATING)) {
        if (at < sizeof unreachable - 1)
            return -ERANGE;
        at -= sizeof unreachable - 1;
        memcpy(buf + at, unreachable, sizeof unreachable - 1);
    }
    memmove(buf, buf + at, n - at);
    return (ssize_t)(n - at - 1);
}

/* ---- the table ------------------------------------------------------------------------------------------------ */

struct directory *directory_of(struct dentry *d)
{
    if (d->children)
        return d->children;
    struct directory *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->table = calloc(TABLE_FIRST, sizeof *c->table);
    if (!c->table) {
        free(c);
        return NULL;
    }
    c->mask = TABLE_FIRST - 1;
    c->next_cookie = COOKIE_FIRST;
    c->complete = !d->node->ops->lookup;
    d->children = c;
    return c;
}

struct dentry *dentry_cached(const struct dentry *dir, const char *name, size_t length, uint32_t hash)
{
    const struct directory *c = dir->children;
    if (!c)
        return NULL;
    for (struct dentry *d = c->table[hash & c->mask]; d; d = d->hash_next) {
        if (d->hash == hash && d->length == length && !memcmp(d->name, name, length))
            return d;
    }
    return NULL;
}

static void widen_table(struct directory *c)
{
    uint32_t mask = c->mask * 2 + 1;
    struct dentry **table = calloc((size_t)mask + 1, sizeof *table);
    if (!table)
        return; /* longer chains, nothing worse */
    for (uint32_t i = 0; i <= c->mask; i++) {
        for (struct dentry *d = c->table[i], *next; d; d = next) {
            next = d->hash_next;
            d->hash_next = table[d->hash & mask];
            table[d->hash & mask] = d;
        }
    }
    free(c->table);
    c->table = table;
    c->mask = mask;
}

static bool droppable(const struct dentry *d)
{
    return !dentry_positive(d) && !(d->flags & DENTRY_WHITEOUT);
}

static void drop_negatives(struct directory *c)
{
    for (uint32_t i = 0; i <= c->mask; i++) {
        for (struct dentry **link = &c->table[i]; *link;) {
            struct dentry *d = *link;
            if (!droppable(d)) {
                link = &d->hash_next;
                continue;
            }
            *link = d->hash_next;
            d->flags &= (uint16_t)~DENTRY_HASHED;
            c->count--;
            dentry_put(d);
        }
    }
    c->negative = 0;
}

uint32_t directory_slot(const struct directory *c, uint64_t cookie)
{
    uint32_t low = 0, high = c->slot_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (c->slots[middle].cookie < cookie)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int slot_room(struct directory *c, uint32_t n)
{
    if (c->slot_room - c->slot_count >= n)
        return 0;
    uint32_t room = c->slot_room ? c->slot_room * 2 : 4;
    struct directory_slot *slots = reallocarray(c->slots, room, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    c->slots = slots;
    c->slot_room = room;
    return 0;
}

static void slot_remove(struct directory *c, const struct dentry *d)
{
    uint32_t i = directory_slot(c, d->cookie);
    if (i >= c->slot_count || c->slots[i].dentry != d)
        return;
    c->slots[i].dentry = NULL;
    if (++c->slot_dead < 16 || c->slot_dead < c->slot_count / 2)
        return;
    uint32_t to = 0;
    for (uint32_t from = 0; from < c->slot_count; from++) {
        if (c->slots[from].dentry)
            c->slots[to++] = c->slots[from];
    }
    c->slot_count = to;
    c->slot_dead = 0;
}

int directory_reserve(struct dentry *d, uint32_t n)
{
    struct directory *c = directory_of(d);
    return c ? slot_room(c, n) : -ENOMEM;
}

int dentry_attach(struct dentry *d)
{
    struct directory *c = directory_of(d->parent);
    if (!c)
        return -ENOMEM;
    bool positive = dentry_positive(d);
    if (positive && c->complete && slot_room(c, 1))
        return -ENOMEM;
    if (droppable(d)) {
        if (c->negative >= NEGATIVE_MOST)
            drop_negatives(c);
        c->negative++;
    }
    if (c->count > c->mask)
        widen_table(c);
    d->hash_next = c->table[d->hash & c->mask];
    c->table[d->hash & c->mask] = d;
    c->count++;
    d->flags |= DENTRY_HASHED;
    dentry_get(d);
    d->cookie = c->next_cookie++;
    if (positive) {
        c->live++;
        if (c->complete)
            c->slots[c->slot_count++] = (struct directory_slot){.cookie = d->cookie, .dentry = d};
    }
    return 0;
}

void dentry_detach(struct dentry *d)
{
    struct directory *c = d->parent->children;
    if (!(d->flags & DENTRY_HASHED))
        return;
    struct dentry **link = &c->table[d->hash & c->mask];
    while (*link != d)
        link = &(*link)->hash_next;
    *link = d->hash_next;
    d->hash_next = NULL;
    d->flags &= (uint16_t)~DENTRY_HASHED;
    c->count--;
    if (dentry_positive(d)) {
        c->live--;
        slot_remove(c, d);
    } else if (droppable(d)) {
        c->negative--;
    }
    dentry_put(d);
}

void directory_clear(struct dentry *top)
{
    /* Every table below is emptied into one list, so that depth costs no stack. The tables' references travel along. */
    struct dentry *list = NULL;
    dentry_get(top);
    for (struct dentry *d = top; d;) {
        struct directory *c = d->children;
        d->children = NULL;
        for (uint32_t i = 0; c && i <= c->mask; i++) {
            for (struct dentry *child = c->table[i], *next; child; child = next) {
                next = child->hash_next;
                child->flags &= (uint16_t)~DENTRY_HASHED;
                child->hash_next = list;
                list = child;
            }
        }
        directory_free(c);
        dentry_put(d);
        d = list;
        if (d)
            list = d->hash_next;
    }
}

/* ---- look-up -------------------------------------------------------------------------------------------------- */

int dentry_resolve(struct dentry *d)
{
    if (!(d->flags & DENTRY_LISTED))
        return 0;
    return d->parent->node->ops->resolve(d->parent, d);
}

int dentry_child(struct dentry *dir, const char *name, size_t length, uint32_t hash, struct dentry **out,
                 struct dentry **cached)
{
    struct dentry *d = dentry_cached(dir, name, length, hash);
    *out = NULL;
    if (cached)
        *cached = NULL;
    if (d) {
        int error = dentry_resolve(d);
        if (error)
            return error;
        if (d->node) {
            dentry_get(d);
            *out = d;
        } else if (cached) {
            *cached = d;
        }
        return 0;
    }
    if (dir->flags & DENTRY_UNLINKED || !dir->node->ops->lookup || (dir->children && dir->children->complete))
        return 0;
    return dir->node->ops->lookup(dir, name, length, hash, out);
}

/* ---- listing -------------------------------------------------------------------------------------------------- */

int directory_populate(struct dentry *d)
{
    struct directory *c = directory_of(d);
    if (!c)
        return -ENOMEM;
    if (c->complete || !d->node->ops->populate)
        return 0;
    return d->node->ops->populate(d);
}

/* What was given comes by name, so that the host's own order is not seen; what the guest made follows as it made it. */
static int by_listing_order(const void *left, const void *right)
{
    const struct dentry *a = ((const struct directory_slot *)left)->dentry;
    const struct dentry *b = ((const struct directory_slot *)right)->dentry;
    const uint16_t mask = DENTRY_GIVEN | DENTRY_REPLACED;
    bool a_given = (a->flags & mask) == DENTRY_GIVEN, b_given = (b->flags & mask) == DENTRY_GIVEN;
    if (a_given != b_given)
        return a_given ? -1 : 1;
    if (a_given)
        return strcmp(a->name, b->name);
    return a->cookie < b->cookie ? -1 : a->cookie > b->cookie;
}

int directory_complete(struct dentry *d)
{
    struct directory *c = directory_of(d);
    if (!c)
        return -ENOMEM;
    struct directory_slot *slots = calloc(c->live ? c->live : 1, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    uint32_t n = 0;
    for (uint32_t i = 0; i <= c->mask; i++) {
        for (struct dentry *child = c->table[i]; child; child = child->hash_next) {
            if (dentry_positive(child))
                slots[n++].dentry = child;
        }
    }
    qsort(slots, n, sizeof *slots, by_listing_order);
    for (uint32_t i = 0; i < n; i++)
        slots[i].cookie = slots[i].dentry->cookie = COOKIE_FIRST + i;
    free(c->slots);
    c->slots = slots;
    c->slot_count = n;
    c->slot_room = c->live ? c->live : 1;
    c->slot_dead = 0;
    c->next_cookie = COOKIE_FIRST + n;
    c->complete = true;
    drop_negatives(c);
    return 0;
}

bool directory_empty(struct dentry *d)
{
    if (directory_populate(d))
        return false; /* unreadable: better to keep it */
    return d->children->live == 0;
}

/* ---- changes ---- */

uint8_t dentry_given_type(const struct dentry *d)
{
    if (!(d->flags & DENTRY_GIVEN))
        return 0;
    if (d->flags & (DENTRY_REPLACED | DENTRY_WHITEOUT | DENTRY_LISTED) || !d->node)
        return d->type;
    return (uint8_t)((d->node->mode & S_IFMT) >> 12);
}

int dentry_create(struct dentry *dir, const char *name, size_t length, uint32_t hash, struct node *node,
                  struct dentry **out)
{
    struct dentry *old = dentry_cached(dir, name, length, hash);
    struct dentry *d = dentry_new(dir, name, length, hash, node);
    if (!d) {
        node_put(node);
        return -ENOMEM;
    }
    if (dir->node->fs->vfs->giving)
        d->flags |= DENTRY_GIVEN;
    else if (old) {
        d->flags |= (uint16_t)((old->flags & (DENTRY_GIVEN | DENTRY_HIDDEN)) | DENTRY_REPLACED);
        d->type = dentry_given_type(old);
    }
    int error = dentry_attach(d);
    if (!error && old)
        dentry_detach(old);
    if (!error && out) {
        dentry_get(d);
        *out = d;
    }
    dentry_put(d);
    return error;
}

int dentry_remove(struct dentry *d)
{
    struct dentry *dir = d->parent;
    struct dentry *absent = NULL;
    bool remember = d->flags & (DENTRY_GIVEN | DENTRY_HIDDEN);
    if (remember || !dir->children->complete) {
        absent = dentry_new(dir, d->name, d->length, d->hash, NULL);
        if (!absent)
            return -ENOMEM;
        absent->type = dentry_given_type(d);
        if (remember)
            absent->flags = (uint16_t)(DENTRY_WHITEOUT | (d->flags & (DENTRY_GIVEN | DENTRY_HIDDEN)));
    }
    d->flags |= DENTRY_UNLINKED;
    dentry_get(d);
    dentry_detach(d);
    dentry_put(d); /* NOLINT(clang-analyzer-unix.Malloc): the caller has a reference of its own */
    if (absent) {
        int error = dentry_attach(absent); /* cannot fail: the table stands, and a negative one takes no slot */
        dentry_put(absent);                /* NOLINT(clang-analyzer-unix.Malloc): the table and this function hold it */
        return error;
    }
    return 0;
}
