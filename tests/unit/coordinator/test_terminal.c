#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "coordinator/shell/terminal.h"

static void
s_expect (size_t columns, const char *lead, const char *text, const char *wrapped)
{
    char *got = NULL;
    size_t size = 0;
    FILE *to = open_memstream (&got, &size);
    bm_terminal_wrap (to, columns, lead, text);
    fclose (to);
    assert_string_equal (got, wrapped);
    free (got);
}

static void
text_is_broken_between_words_and_indented_under_its_lead (void **state)
{
    (void)state;
    s_expect (30, "error:    ", "one two three four five six",
              "error:    one two three four\n          five six\n");
    s_expect (29, "error:    ", "one two three four five six", /* too narrow for the lead */
              "error:    one two three four\n    five six\n");
    s_expect (27, "error:    ", "one two three four five six",
              "error:    one two three\n    four five six\n");
    s_expect (80, "", "", "\n");
    s_expect (20, "", "anextremelylongword and more", "anextremelylongword\nand more\n");
}

static void
a_letter_is_one_cell_however_many_bytes (void **state)
{
    (void)state;
    assert_int_equal (bm_terminal_cells ("Größe"), 5);
    assert_int_equal (bm_terminal_cut ("Größe", 3), strlen ("Grö"));
    assert_int_equal (bm_terminal_cut ("Größe", 9), strlen ("Größe"));
    assert_int_equal (bm_terminal_cut ("Größe", 0), 0);
    s_expect (24, "", "Größe Größe Größe Größe Größe", "Größe Größe Größe Größe\nGröße\n");
}

static void
what_is_no_terminal_has_the_width_that_is_asked_for (void **state)
{
    (void)state;
    int fd = open ("/dev/null", O_RDWR | O_CLOEXEC);
    assert_int_equal (bm_terminal_columns (fd, 77), 77);
    assert_int_equal (bm_terminal_rows (fd, 24), 24);
    assert_false (bm_terminal_rewritable (fd));
    close (fd);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (text_is_broken_between_words_and_indented_under_its_lead),
        cmocka_unit_test (a_letter_is_one_cell_however_many_bytes),
        cmocka_unit_test (what_is_no_terminal_has_the_width_that_is_asked_for),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
