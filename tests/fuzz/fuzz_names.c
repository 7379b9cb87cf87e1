/*
 * A list of names becomes a tree, as lines and as names that end with NUL. The tree has what is in
 * the list and nothing else; a list of what is in the tree becomes the same tree.
 */
#include "fuzz.h"

#include "pcopy/names.h"

/* A list that is taken apart here, without the code under test. */
struct entry {
    const char *at;
    size_t length;
};

static bool next_entry(const char **at, const char *end, bool nul, struct entry *out)
{
    if (*at == end)
        return false;
    const char *close = memchr(*at, nul ? '\0' : '\n', (size_t)(end - *at));
    *out = (struct entry){*at, (size_t)((close ? close : end) - *at)};
    *at = close ? close + 1 : end;
    return true;
}

/* The next component of an entry that counts. */
static bool next_component(struct entry *rest, struct entry *out)
{
    do {
        while (rest->length && *rest->at == '/') {
            rest->at++;
            rest->length--;
        }
        const char *slash = memchr(rest->at, '/', rest->length);
        *out = (struct entry){rest->at, slash ? (size_t)(slash - rest->at) : rest->length};
        rest->at += out->length;
        rest->length -= out->length;
    } while (out->length == 1 && *out->at == '.');
    return out->length > 0;
}

/* What must come of an entry. */
static int judge(struct entry e)
{
    struct entry part;
    if (memchr(e.at, '\0', e.length))
        return -EINVAL;
    for (struct entry rest = e; next_component(&rest, &part);) {
        if (part.length == 2 && memcmp(part.at, "..", 2) == 0)
            return -EINVAL;
        if (part.length > NAME_MAX)
            return -ENAMETOOLONG;
    }
    return 0;
}

static bool counts(struct entry e, bool nul)
{
    return e.length > 0 && (nul || (*e.at != '#' && *e.at != ';'));
}

static const struct pc_name_node *find(const struct pc_name_node *node, struct entry e)
{
    struct entry part;
    while (node && next_component(&e, &part)) {
        node = node->children;
        while (node &&
               (strlen(node->name) != part.length || memcmp(node->name, part.at, part.length) != 0))
            node = node->next;
    }
    return node;
}

/* --- the tree --- */

/* The one behind `node` when parents come before their children. */
static const struct pc_name_node *next_node(const struct pc_name_node *node)
{
    if (node->children)
        return node->children;
    while (node && !node->next)
        node = node->parent;
    return node ? node->next : NULL;
}

static void check_node(const struct pc_name_node *node)
{
    const size_t length = strlen(node->name);
    MUST(node->parent ? length > 0 && length <= NAME_MAX : length == 0);
    MUST(!strchr(node->name, '/') && strcmp(node->name, ".") != 0 && strcmp(node->name, "..") != 0);
    MUST(node->listed || node->children || !node->parent);
    for (const struct pc_name_node *child = node->children; child; child = child->next)
        MUST(child->parent == node);
}

/* Its path, each component behind a slash, without recursion: names may be deep. */
static void put_path(FILE *out, const struct pc_name_node *node)
{
    static const struct pc_name_node *above[65536];
    size_t depth = 0;
    for (; node->parent; node = node->parent) {
        MUST(depth < sizeof above / sizeof above[0]);
        above[depth++] = node;
    }
    if (depth == 0)
        fputc('.', out);
    while (depth-- > 0)
        fprintf(out, "/%s", above[depth]->name);
    fputc('\0', out);
}

static struct pc_names *read_list(const char *path, bool nul)
{
    char problem[256];
    struct pc_names *n = NULL;
    MUST(pc_names_read(&n, path, nul, problem, sizeof problem) == 0);
    return n;
}

/* Returns how many nodes are in the list. */
static size_t check_tree(const struct pc_names *n)
{
    char *list = NULL;
    size_t size = 0;
    size_t listed = 0;
    FILE *out = open_memstream(&list, &size);
    MUST(out != NULL);
    for (const struct pc_name_node *node = pc_names_root(n); node; node = next_node(node)) {
        check_node(node);
        listed += node->listed;
        if (node->listed)
            put_path(out, node);
    }
    MUST(fclose(out) == 0);

    struct pc_names *again = read_list(fuzz_put("again", list, size), true);
    const struct pc_name_node *b = pc_names_root(again);
    for (const struct pc_name_node *a = pc_names_root(n); a; a = next_node(a), b = next_node(b)) {
        MUST(b && strcmp(a->name, b->name) == 0 && a->listed == b->listed);
        MUST(!a->children == !b->children && !a->next == !b->next);
    }
    MUST(!b);
    pc_names_free(again);
    free(list);
    return listed;
}

static int by_address(const void *a, const void *b)
{
    const uintptr_t x = (uintptr_t) * (const struct pc_name_node *const *)a;
    const uintptr_t y = (uintptr_t) * (const struct pc_name_node *const *)b;
    return (x > y) - (x < y);
}

static void check_list(const char *path, const char *text, size_t size, bool nul)
{
    char problem[128]; /* lines may be longer */
    char place[32];
    const char *end = text + size;
    struct pc_names *n = NULL;
    struct entry e;
    size_t number = 0;
    int expected = 0;

    for (const char *at = text; !expected && next_entry(&at, end, nul, &e); number++)
        expected = counts(e, nul) ? judge(e) : 0;
    const int err = pc_names_read(&n, path, nul, problem, sizeof problem);
    MUST(err == expected);
    if (err) {
        snprintf(place, sizeof place, "%s %zu of '", nul ? "name" : "line", number);
        MUST(!n && strncmp(problem, place, strlen(place)) == 0);
        return;
    }

    const struct pc_name_node **found = calloc(number + 1, sizeof(struct pc_name_node *));
    size_t count = 0;
    MUST(found != NULL);
    for (const char *at = text; next_entry(&at, end, nul, &e);) {
        if (!counts(e, nul))
            continue;
        const struct pc_name_node *node = find(pc_names_root(n), e);
        MUST(node && node->listed);
        found[count++] = node;
    }
    qsort(found, count, sizeof(struct pc_name_node *), by_address);
    size_t different = 0;
    for (size_t i = 0; i < count; i++)
        different += i == 0 || found[i] != found[i - 1];
    MUST(check_tree(n) == different);
    free(found);
    pc_names_free(n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_put("input", data, size);
    check_list(path, (const char *)data, size, false);
    check_list(path, (const char *)data, size, true);
    return 0;
}
