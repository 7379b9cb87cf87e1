/*
 * The first line of an input is a path, with a slash at its end if it is a directory; the others
 * are a file of rules. Whether they exclude the path is known from a matcher that is written here:
 * it goes by the text of a pattern, in the words of filter.h, and tries everything.
 */
#include "fuzz.h"

#include <ctype.h>

#include "pcopy/filter.h"

#define LONGEST 200 /* of a pattern and a path that are matched here */

/* --- the matcher --- */

static bool class_holds(const char *name, size_t length, char c)
{
    static const struct {
        const char *name;
        int (*holds)(int c);
    } classes[] = {
        {"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
        {"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
        {"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
    };
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (strlen(classes[i].name) == length && memcmp(classes[i].name, name, length) == 0)
            return isascii(c) && classes[i].holds(c);
    }
    return false;
}

static bool is_class(const char *name, size_t length)
{
    bool any = false;
    for (int c = 0; c < 128; c++)
        any |= class_holds(name, length, (char)c);
    return any;
}

/* Whether the set behind a '[' has `c`. Returns what is behind its ']', NULL if it is malformed. */
static const char *set_has(const char *p, char c, bool *out)
{
    const bool negated = *p == '!' || *p == '^';
    const char *const first = p + negated;
    const unsigned char byte = (unsigned char)c;
    char low = '\0';
    bool has = false;

    for (p = first; *p != ']' || p == first; p++) {
        const char *close = strncmp(p, "[:", 2) == 0 ? strchr(p + 2, ']') : NULL;
        if (close && close - p > 2 && close[-1] == ':') {
            if (!is_class(p + 2, (size_t)(close - p - 3)))
                return NULL;
            has |= class_holds(p + 2, (size_t)(close - p - 3), c);
            low = '\0';
            p = close;
        } else if (*p == '-' && low && p[1] && p[1] != ']') {
            p += p[1] == '\\' ? 2 : 1;
            if (!*p)
                return NULL;
            has |= (unsigned char)low <= byte && byte <= (unsigned char)*p;
            low = '\0';
        } else {
            p += *p == '\\';
            if (!*p)
                return NULL;
            has |= *p == c;
            low = *p;
        }
    }
    *out = has != negated && c != '/';
    return p + 1;
}

/* Places of a pattern and a text from which there is no match, as was found out. */
static bool hopeless[LONGEST + 4][LONGEST + 4];
static const char *whole_pattern;
static const char *whole_text;
static bool wild;

static bool matches(const char *p, const char *s)
{
    bool *const known = &hopeless[p - whole_pattern][s - whole_text];
    bool result = false;
    if (*known)
        return false;
    if (*p == '\0') {
        result = *s == '\0';
    } else if (wild && *p == '*') {
        const size_t stars = strspn(p, "*");
        result = matches(p + stars, s) || (*s && (*s != '/' || stars > 1) && matches(p, s + 1));
    } else if (wild && *p == '?') {
        result = *s && *s != '/' && matches(p + 1, s + 1);
    } else if (wild && *p == '[') {
        bool has = false;
        const char *behind = set_has(p + 1, *s, &has);
        result = behind && *s && has && matches(behind, s + 1);
    } else {
        p += wild && *p == '\\';
        result = *p && *p == *s && matches(p + 1, s + 1);
    }
    *known = !result;
    return result;
}

static bool match(const char *pattern, const char *text)
{
    memset(hopeless, 0, sizeof hopeless);
    whole_pattern = pattern;
    whole_text = text;
    return matches(pattern, text);
}

/* Where the last `n` components begin, or NULL if there are fewer. */
static const char *last_components(const char *path, size_t n)
{
    const char *at = path + strlen(path);
    for (;; at--) {
        if (at == path || at[-1] == '/')
            n--;
        if (n == 0)
            return at;
        if (at == path)
            return NULL;
    }
}

/* `pattern` is without the slash at its end. */
static bool pattern_matches(const char *pattern, const char *path, bool directory)
{
    const size_t length = strlen(pattern);
    const bool contents = length >= 3 && strcmp(pattern + length - 3, "***") == 0;
    static char text[LONGEST + 3]; /* static: match() leaves pointers to it */
    size_t n = 1;

    wild = strpbrk(pattern, "*?[");
    snprintf(text, sizeof text, "/%s%s", path, contents && directory ? "/" : "");
    if (*pattern == '/' || strncmp(pattern, "**", 2) == 0)
        return match(pattern, text);
    if (strstr(pattern, "**")) {
        for (const char *at = text; at; at = strchr(at, '/')) {
            if (match(pattern, ++at))
                return true;
        }
        return false;
    }
    for (const char *at = pattern; *at; at++)
        n += *at == '/';
    const char *last = last_components(path, n);
    return last && match(pattern, last);
}

/* --- rules --- */

/* Which rule of a file decides, as it says itself; the last `!` takes away those before. */
enum verdict { NONE, EXCLUDES, INCLUDES, UNKNOWN };

/* What one rule says to the path, or that it is malformed. */
static enum verdict ask(char *rule, bool include, const char *path, bool directory)
{
    if (strncmp(rule, "+ ", 2) == 0 || strncmp(rule, "- ", 2) == 0) {
        include = *rule == '+';
        rule += 2;
    }
    const size_t length = strlen(rule);
    if (length == 0)
        return NONE;
    if (length > LONGEST || strlen(path) > LONGEST)
        return UNKNOWN;
    const bool directories = rule[length - 1] == '/';
    rule[length - directories] = '\0';
    if ((directories && !directory) || !pattern_matches(rule, path, directory))
        return NONE;
    return include ? INCLUDES : EXCLUDES;
}

/* --- an input --- */

static void check(const char *rules, size_t size, bool include, const char *path, bool directory)
{
    struct pc_filter *by_file;
    struct pc_filter *by_line;
    enum verdict verdict = NONE;
    size_t line = 0;
    size_t number = 0;
    int expected = 0;

    MUST(pc_filter_new(&by_file) == 0 && pc_filter_new(&by_line) == 0);
    const int err =
        pc_filter_add_file(by_file, include, fuzz_put("input", rules, size), false, &line);

    for (const char *at = rules, *end = rules + size; !expected && at < end; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const size_t length = (size_t)((newline ? newline : end) - at);
        char *text = fuzz_text(at, length);
        if (strlen(text) != length)
            expected = -EINVAL;
        for (char *rest = text; rest && !expected;) {
            char *rule = strsep(&rest, "\r");
            if (*rule == '#' || *rule == ';')
                continue;
            expected = pc_filter_add(by_line, include, rule);
            if (strcmp(rule, "!") == 0)
                verdict = NONE;
            else if (verdict == NONE && !expected)
                verdict = ask(rule, include, path, directory);
        }
        free(text);
        at = newline ? newline + 1 : end;
    }
    MUST(err == expected);
    MUST(line == (err ? number : 0));

    const bool excluded = pc_filter_excludes(by_file, path, directory);
    MUST(excluded == pc_filter_excludes(by_line, path, directory));
    MUST(verdict == UNKNOWN || excluded == (verdict == EXCLUDES && *path));
    pc_filter_free(by_file);
    pc_filter_free(by_line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = memchr(data, '\n', size);
    if (!newline)
        return 0;
    const size_t used = (size_t)(newline + 1 - data);
    char *path = fuzz_text(data, used - 1);
    const size_t length = strlen(path);
    const bool directory = length && path[length - 1] == '/';
    const bool plain = *path != '/' && !strstr(path, "//"); /* as a walk makes them */
    path[length - directory] = '\0';
    if (plain) {
        check((const char *)newline + 1, size - used, false, path, directory);
        check((const char *)newline + 1, size - used, true, path, directory);
    }
    free(path);
    return 0;
}
