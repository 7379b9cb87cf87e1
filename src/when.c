#include "pcopy/when.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool pc_when_duration(const char *text, char unit, time_t *out)
{
    static const struct {
        char letter;
        time_t seconds;
    } UNITS[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    char *end;

    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    const long n = strtol(text, &end, 10);
    if (*end)
        unit = *end++;
    for (size_t i = 0; i < sizeof UNITS / sizeof UNITS[0]; i++) {
        time_t seconds;
        if (unit != UNITS[i].letter || *end || errno ||
            __builtin_mul_overflow(n, UNITS[i].seconds, &seconds))
            continue;
        *out = seconds;
        return true;
    }
    return false;
}

/* "@1795600000" */
static bool parse_seconds(const char *text, time_t *out)
{
    char *end;
    if (text[0] != '@' || !isdigit((unsigned char)text[text[1] == '-' ? 2 : 1]))
        return false;
    errno = 0;
    const long n = strtol(text + 1, &end, 10);
    if (*end || errno)
        return false;
    *out = n;
    return true;
}

bool pc_when_date(const char *text, time_t *out)
{
    static const char FORMAT[] = "%Y-%m-%d %H:%M:%S";
    char full[] = "0000-00-00 00:00:00";
    char written[sizeof full];
    struct tm tm = {0};

    if (parse_seconds(text, out))
        return true;
    const size_t length = strlen(text);
    if (length != strlen("0000-00-00") && length != strlen("0000-00-00 00:00") &&
        length != strlen("0000-00-00 00:00:00"))
        return false;
    memcpy(full, text, length);
    if (full[10] == 'T')
        full[10] = ' ';
    if (!strptime(full, FORMAT, &tm))
        return false;
    /* strptime() is generous. A date is what is written that way, and 30 February is not. */
    struct tm real = tm;
    timegm(&real);
    if (strftime(written, sizeof written, FORMAT, &real) == 0 || strcmp(written, full) != 0)
        return false;
    tm.tm_isdst = -1;
    *out = mktime(&tm);
    return true;
}

bool pc_when_next(const char *text, time_t now, time_t *out)
{
    const char *const zero = text[0] && text[1] == ':' ? "0" : "";
    for (int days = 0; days < 3; days++) {
        char full[64];
        struct tm day;
        time_t found;
        localtime_r(&now, &day);
        day.tm_mday += days; /* mktime() makes 32 December a date */
        day.tm_hour = 12;    /* no clock is changed then */
        day.tm_isdst = -1;
        mktime(&day);
        const size_t length = strftime(full, sizeof full, "%Y-%m-%d ", &day);
        const int rest = snprintf(full + length, sizeof full - length, "%s%s", zero, text);
        if (rest >= (int)(sizeof full - length) || !pc_when_date(full, &found))
            return false;
        if (found > now) {
            *out = found;
            return true;
        }
    }
    return false;
}
