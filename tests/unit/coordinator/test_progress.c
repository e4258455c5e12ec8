#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/log.h"
#include "coordinator/shell/progress.h"
#include "coordinator/shell/terminal.h"

/* ---- a terminal as small as the bytes that progress writes need --------------------------------------------------- */

enum { ROWS = 12, COLUMNS_MAX = 120 };

typedef struct screen {
    size_t columns, row, column;
    char cells[ROWS][COLUMNS_MAX + 1];
} screen_t;

static void
s_line_feed (screen_t *self)
{
    if (self->row + 1 < ROWS) {
        self->row++;
        return;
    }
    memmove (self->cells[0], self->cells[1], (ROWS - 1) * sizeof *self->cells);
    memset (self->cells[ROWS - 1], 0, sizeof *self->cells);
}

static void
s_put (screen_t *self, char byte)
{
    if (self->column == self->columns) {
        self->column = 0;
        s_line_feed (self);
    }
    for (size_t i = 0; i < self->column; i++)
        if (!self->cells[self->row][i])
            self->cells[self->row][i] = ' ';
    self->cells[self->row][self->column++] = byte;
}

/*  Takes ESC [ n A and ESC [ J; any other one fails the test. Returns the bytes used, 0 when there are more to come. */
static size_t
s_escape (screen_t *self, const char *text)
{
    if (strncmp (text, "\x1b[J", 3) == 0) {
        memset (&self->cells[self->row][self->column], 0, COLUMNS_MAX - self->column);
        for (size_t i = self->row + 1; i < ROWS; i++)
            memset (self->cells[i], 0, sizeof self->cells[i]);
        return 3;
    }
    if (strlen (text) < 3)
        return 0;
    char *end = NULL;
    size_t up = strncmp (text, "\x1b[", 2) == 0 ? strtoul (text + 2, &end, 10) : 0;
    if (end && !*end)
        return 0;
    if (!end || *end != 'A')
        fail_msg ("an escape that no terminal needs here: %.8s", text + 1);
    self->row = up > self->row ? 0 : self->row - up;
    return (size_t)(end - text) + 1;
}

/*  Returns how many bytes could be shown. */
static size_t
s_show (screen_t *self, const char *text)
{
    size_t i = 0;
    while (text[i]) {
        size_t used = 1;
        if (text[i] == '\x1b')
            used = s_escape (self, text + i);
        else if (text[i] == '\r')
            self->column = 0;
        else if (text[i] == '\n')
            s_line_feed (self);
        else
            s_put (self, text[i]);
        if (used == 0)
            break;
        i += used;
    }
    return i;
}

/* ---- a program behind it ------------------------------------------------------------------------------------------ */

typedef struct pty_child {
    pid_t pid;
    int fd, order; /* the terminal; a byte here lets the child go on */
    screen_t screen;
    char *heard;
    size_t size, shown, mark; /* mark: behind what was waited for last */
} pty_child_t;

typedef void (child_fn) (bm_progress_t *progress, int order);

static void
s_wait_order (int order)
{
    char byte;
    if (read (order, &byte, 1) != 1)
        _exit (9);
}

static void
s_start (pty_child_t *self, unsigned short columns, const char *term, child_fn *function)
{
    struct winsize size = {.ws_row = ROWS, .ws_col = columns};
    int orders[2];
    *self = (pty_child_t){.screen = {.columns = columns}};
    assert_int_equal (pipe (orders), 0);
    setenv ("TERM", term, 1);
    self->pid = forkpty (&self->fd, NULL, NULL, &size);
    assert_true (self->pid >= 0);
    if (self->pid == 0) {
        bm_log_open ("test", BM_LOG_WARNING);
        bm_progress_t *progress = bm_progress_new (BM_PROGRESS_TEXT);
        function (progress, orders[0]);
        bm_progress_destroy (&progress);
        fputs ("$ ", stderr);
        _exit (0);
    }
    close (orders[0]);
    self->order = orders[1];
}

/*  Reads until the terminal was sent this text, after what was waited for before; fails after 20 s. */
static void
s_hear (pty_child_t *self, const char *text)
{
    int64_t until_ms = bm_clock_mono_ms () + 20000;
    const char *found = NULL;
    while (!(found = self->heard ? strstr (self->heard + self->mark, text) : NULL)) {
        struct pollfd item = {.fd = self->fd, .events = POLLIN};
        int64_t left_ms = until_ms - bm_clock_mono_ms ();
        if (left_ms <= 0 || poll (&item, 1, (int)left_ms) <= 0)
            fail_msg ("\"%s\" was waited for, heard: %s", text, self->heard ? self->heard : "");
        self->heard = bm_realloc (self->heard, self->size + 513);
        ssize_t got = read (self->fd, self->heard + self->size, 512);
        if (got <= 0)
            fail_msg ("the end came before \"%s\"", text);
        self->size += (size_t)got;
        self->heard[self->size] = '\0';
    }
    self->mark = (size_t)(found - self->heard) + strlen (text);
    self->shown += s_show (&self->screen, self->heard + self->shown);
}

static void
s_go_on (pty_child_t *self)
{
    assert_int_equal (write (self->order, "x", 1), 1);
}

static void
s_end (pty_child_t *self)
{
    int status = 0;
    close (self->order);
    assert_int_equal (waitpid (self->pid, &status, 0), self->pid);
    assert_true (WIFEXITED (status));
    assert_int_equal (WEXITSTATUS (status), 0);
    close (self->fd);
    free (self->heard);
}

static bm_progress_backup_t
s_backup (const char *host, const char *database, double percent)
{
    return (bm_progress_backup_t){.host = host,
                                  .database = database,
                                  .step = "BACKUP DATABASE",
                                  .percent = percent,
                                  .total_bytes = 100 << 20,
                                  .remaining_ms = 5000,
                                  .elapsed_ms = 4000};
}

/* ---- a line ------------------------------------------------------------------------------------------------------- */

static void
a_line_says_as_much_as_there_is_room_for (void **state)
{
    (void)state;
    bm_progress_backup_t it = s_backup ("SQL02", "BizTalkDTADb", 50);
    static const struct {
        size_t columns;
        const char *line;
    } table[] = {
        {80, "SQL02: BizTalkDTADb, 50 %, 5.0 s left, 10.0 MiB/s, 1 more, [########........]"},
        {60, "SQL02: BizTalkDTADb, 50 %, 5.0 s left, 10.0 MiB/s, 1 more"},
        {40, "SQL02: BizTalkDTADb, 50 %, 5.0 s left"},
        {26, "SQL02: BizTalkDTADb, 50 %"},
        {20, "SQL02: BizTalk, 50 %"},
        {3, "SQL"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char *line = bm_progress_line (&it, 1, table[i].columns);
        if (table[i].columns >= 20)
            assert_string_equal (line, table[i].line);
        assert_true (bm_terminal_cells (line) <= table[i].columns);
        free (line);
    }
}

static void
a_line_tells_a_step_a_time_and_a_standstill (void **state)
{
    (void)state;
    bm_progress_backup_t it = s_backup ("SQL02", "Größe", -1);
    it.remaining_ms = -1;
    it.step = "waiting";
    char *line = bm_progress_line (&it, 0, 80);
    assert_string_equal (line, "SQL02: Größe, waiting, for 4.0 s");
    free (line);
    it.percent = 41.2;
    it.since_change_ms = 15000;
    line = bm_progress_line (&it, 0, 50);
    assert_string_equal (line, "SQL02: Größe, 41 %, no progress for 15.0 s");
    free (line);
    assert_int_equal (bm_progress_rate (&it), -1);
}

/* ---- a terminal --------------------------------------------------------------------------------------------------- */

static void
s_two_hosts (bm_progress_t *progress, int order)
{
    bm_progress_backup_t first = s_backup ("SQL01", "OrdersDb", 10),
                         second = s_backup ("SQL02", "BizTalkDTADb", 20);
    bm_progress_say (progress, "group", "Group: 2 databases");
    bm_progress_backup (progress, &first);
    bm_progress_say (progress, "round", "Round 1"); /* draws at once what stands below it */
    s_wait_order (order);
    bm_progress_backup (progress, &second);
    bm_progress_say (progress, "round", "Round 2");
    s_wait_order (order);
    bm_log_warning ("a line of the log");
    first.percent = 33;
    bm_progress_backup (progress, &first);
    bm_progress_backup_done (progress, "SQL02", "BizTalkDTADb");
    s_wait_order (order);
}

static void
each_host_has_one_line_that_is_redrawn_in_place (void **state)
{
    (void)state;
    pty_child_t child;
    s_start (&child, 80, "xterm", s_two_hosts);
    s_hear (&child, "Round 1");
    s_go_on (&child);
    s_hear (&child, "Round 2");
    s_hear (&child, "\x1b[1A\r");
    assert_string_equal (child.screen.cells[0], "Group: 2 databases");
    assert_string_equal (child.screen.cells[1], "Round 1");
    assert_string_equal (child.screen.cells[2], "Round 2");
    assert_non_null (strstr (child.screen.cells[3], "SQL01: OrdersDb, 10 %"));
    assert_non_null (strstr (child.screen.cells[4], "SQL02: BizTalkDTADb, 20 %"));
    assert_int_equal (child.screen.row, 3); /* everything below can be wiped */
    s_go_on (&child);
    s_hear (&child, "33 %");
    s_hear (&child, "]\r"); /* the last line, and the cursor at its beginning */
    s_go_on (&child);
    s_hear (&child, "$ ");
    assert_non_null (strstr (child.screen.cells[3], "a line of the log"));
    assert_string_equal (child.screen.cells[4], "$ "); /* nothing is left of the lines */
    assert_string_equal (child.screen.cells[5], "");
    s_end (&child);
}

static void
s_resized (bm_progress_t *progress, int order)
{
    for (int i = 0; i < 3; i++) {
        bm_progress_backup_t one = s_backup ("SQL01", "AVeryLongNameOfADatabaseIndeed", 10 + i),
                             two = s_backup ("SQL02", "AVeryLongNameOfADatabaseIndeed", 20 + i);
        bm_progress_backup (progress, &one);
        bm_progress_backup (progress, &two);
        bm_progress_say (progress, "step", "step %d", i);
        s_wait_order (order);
    }
}

static void
a_narrower_terminal_gets_narrower_lines (void **state)
{
    (void)state;
    pty_child_t child;
    s_start (&child, 100, "xterm", s_resized);
    s_hear (&child, "step 0");
    struct winsize size = {.ws_row = ROWS, .ws_col = 40};
    assert_int_equal (ioctl (child.fd, TIOCSWINSZ, &size), 0);
    s_go_on (&child);
    s_hear (&child, "step 1");
    s_hear (&child, "\x1b[1A\r");
    child.screen = (screen_t){.columns = 40};
    s_go_on (&child);
    s_hear (&child, "step 2");
    s_hear (&child, "\x1b[1A\r");
    assert_string_equal (child.screen.cells[0], "step 2");
    assert_string_equal (child.screen.cells[1], "SQL01: AVeryLongNameOfADatabaseIn, 12 %");
    assert_string_equal (child.screen.cells[2], "SQL02: AVeryLongNameOfADatabaseIn, 22 %");
    assert_string_equal (child.screen.cells[3], ""); /* no line went on in the next */
    s_go_on (&child);
    s_hear (&child, "$ ");
    assert_string_equal (child.screen.cells[1], "$ ");
    s_end (&child);
}

static void
s_crowd (bm_progress_t *progress, int order)
{
    char names[40][8];
    for (int i = 0; i < 40; i++) {
        snprintf (names[i], sizeof names[i], "SQL%02d", i);
        bm_progress_backup_t one = s_backup (names[i], "Db", 10);
        bm_progress_backup (progress, &one);
    }
    bm_progress_say (progress, "step", "all");
    s_wait_order (order);
}

static void
more_hosts_than_rows_do_not_scroll_the_screen_away (void **state)
{
    (void)state;
    pty_child_t child;
    s_start (&child, 60, "xterm", s_crowd);
    s_hear (&child, "all");
    s_hear (&child, "more hosts");
    assert_string_equal (child.screen.cells[0], "all");
    s_go_on (&child);
    s_hear (&child, "$ ");
    assert_string_equal (child.screen.cells[1], "$ ");
    s_end (&child);
}

static void
a_dumb_terminal_gets_plain_lines (void **state)
{
    (void)state;
    pty_child_t child;
    s_start (&child, 80, "dumb", s_two_hosts);
    s_hear (&child, "Round 1");
    s_go_on (&child);
    s_hear (&child, "Round 2");
    s_go_on (&child);
    s_go_on (&child);
    s_hear (&child, "$ ");
    assert_null (strchr (child.heard, '\x1b'));
    assert_null (strstr (child.heard, "SQL01")); /* a line of a host comes every 30 s at most */
    s_end (&child);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_line_says_as_much_as_there_is_room_for),
        cmocka_unit_test (a_line_tells_a_step_a_time_and_a_standstill),
        cmocka_unit_test (each_host_has_one_line_that_is_redrawn_in_place),
        cmocka_unit_test (a_narrower_terminal_gets_narrower_lines),
        cmocka_unit_test (more_hosts_than_rows_do_not_scroll_the_screen_away),
        cmocka_unit_test (a_dumb_terminal_gets_plain_lines),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
