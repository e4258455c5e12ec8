/*  tests/unit/sqlhost/test_log.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/sqlhost/tds/log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*  What one call writes to stderr; "" when nothing. */
static void
capture (sh_log_level_t level, const char *text, char *out, size_t size)
{
    int ends[2], kept = dup (STDERR_FILENO);

    assert_int_equal (pipe (ends), 0);
    dup2 (ends[1], STDERR_FILENO);
    sh_log (level, "%s", text);
    dup2 (kept, STDERR_FILENO);
    close (ends[1]);
    close (kept);
    ssize_t got = read (ends[0], out, size - 1);
    out[got > 0 ? got : 0] = 0;
    close (ends[0]);
}

static void
a_line_has_time_level_and_text (void **state)
{
    char line[4096];
    (void)state;
    assert_true (sh_log_level_set ("info"));
    capture (SH_LOG_WARN, "text", line, sizeof line);
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ warn  text\n";
    assert_int_equal (strlen (line), strlen (shape));
    for (size_t i = 0; shape[i]; i++)
        if (shape[i] == 'd')
            assert_true (line[i] >= '0' && line[i] <= '9');
        else
            assert_int_equal (line[i], shape[i]);
}

static void
what_a_client_sends_cannot_forge_a_line (void **state)
{
    char line[4096];
    (void)state;
    capture (SH_LOG_ERROR, "a\n2026 b\x1B\x7F\xC3\xA4", line, sizeof line);
    assert_non_null (strstr (line, " a?2026 b??\xC3\xA4\n"));
    assert_ptr_equal (strchr (line, '\n'), line + strlen (line) - 1);
}

static void
a_long_text_is_cut_and_still_one_line (void **state)
{
    char line[8192], text[5000];
    (void)state;
    memset (text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    capture (SH_LOG_ERROR, text, line, sizeof line);
    assert_true (strlen (line) <= 2048);
    assert_int_equal (line[strlen (line) - 1], '\n');
}

static void
only_the_asked_levels_are_written (void **state)
{
    char line[4096];
    (void)state;
    assert_true (sh_log_level_set ("warn"));
    capture (SH_LOG_INFO, "x", line, sizeof line);
    assert_string_equal (line, "");
    capture (SH_LOG_WARN, "x", line, sizeof line);
    assert_string_not_equal (line, "");
    assert_false (sh_log_level_set ("loud"));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_line_has_time_level_and_text),
        cmocka_unit_test (what_a_client_sends_cannot_forge_a_line),
        cmocka_unit_test (a_long_text_is_cut_and_still_one_line),
        cmocka_unit_test (only_the_asked_levels_are_written),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
