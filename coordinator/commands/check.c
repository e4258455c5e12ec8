/*  coordinator/commands/check.c */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coordinator/commands/command.h"
#include "coordinator/shell/inspection.h"
#include "coordinator/shell/terminal.h"

static const char *
s_plural (size_t count)
{
    return count == 1 ? "" : "s";
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static void
s_print_finding (const bm_finding_t *it, size_t columns)
{
    static const char *const leads[BM_LEVEL_COUNT] = {"ok", "note", "WARNING", "FAILURE"};
    char *where = it->server && it->database ? bm_format ("%s, %s", it->server, it->database)
                                             : bm_strdup (it->server ? it->server : it->database);
    char *head = bm_format ("%s %s%s%s%s", leads[it->level], it->topic, where ? " (" : "",
                            where ? where : "", where ? ")" : "");
    printf ("%.*s\n", (int)bm_terminal_cut (head, columns), head);
    bm_terminal_wrap (stdout, columns, "  ", it->text);
    if (it->remedy)
        bm_terminal_wrap (stdout, columns, "  -> ", it->remedy);
    free (head);
    free (where);
}

/*  "Nothing is wrong with: ..." */
static void
s_print_good (const bm_findings_t *findings, size_t columns)
{
    char *line = NULL;
    const char *last = "";
    for (size_t i = 0; i < findings->count; i++) {
        const bm_finding_t *it = &findings->items[i];
        if (it->level != BM_LEVEL_OK || strcmp (it->topic, last) == 0 ||
            bm_findings_has (findings, it->topic, NULL))
            continue;
        char *longer = line ? bm_format ("%s, %s", line, it->topic) : bm_strdup (it->topic);
        free (line);
        line = longer;
        last = it->topic;
    }
    if (line)
        bm_terminal_wrap (stdout, columns, "nothing is wrong with: ", line);
    free (line);
}

static void
s_print (const bm_inspection_t *self, size_t columns)
{
    const bm_findings_t *findings = &self->findings;
    size_t failures = bm_findings_level_count (findings, BM_LEVEL_FAILURE);
    size_t warnings = bm_findings_level_count (findings, BM_LEVEL_WARNING);
    size_t notes = bm_findings_level_count (findings, BM_LEVEL_NOTE);
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].level != BM_LEVEL_OK)
            s_print_finding (&findings->items[i], columns);
    s_print_good (findings, columns);
    char *sum = bm_format ("%s: %zu database%s on %zu instance%s, %zu of %zu agent%s reached",
                           self->settings ? self->settings->group : "btsmark", self->databases,
                           s_plural (self->databases), self->instances, s_plural (self->instances),
                           self->reached, self->agents, s_plural (self->agents));
    bm_terminal_wrap (stdout, columns, "", sum);
    free (sum);
    printf ("%zu failure%s, %zu warning%s, %zu note%s\n", failures, s_plural (failures), warnings,
            s_plural (warnings), notes, s_plural (notes));
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *
s_text (const char *text)
{
    return text ? json_string (text) : json_null ();
}

/*  The most severe failure, as other commands have it; null when there is none. */
static json_t *
s_json_error (const bm_inspection_t *self)
{
    bm_status_t status = bm_findings_status (&self->findings);
    for (size_t i = 0; i < self->findings.count; i++) {
        const bm_finding_t *it = &self->findings.items[i];
        if (it->level == BM_LEVEL_FAILURE && it->status == status)
            return json_pack ("{s:s, s:i, s:s, s:s}", "name", bm_status_name (status), "exit",
                              bm_status_exit_code (status), "text", it->text, "remedy",
                              it->remedy ? it->remedy : "");
    }
    return json_null ();
}

static json_t *
s_json (const bm_inspection_t *self)
{
    json_t *findings = json_array ();
    for (size_t i = 0; i < self->findings.count; i++) {
        const bm_finding_t *it = &self->findings.items[i];
        json_array_append_new (findings,
                               json_pack ("{s:s, s:s, s:o, s:o, s:s, s:o}", "level",
                                          bm_level_name (it->level), "topic", it->topic, "server",
                                          s_text (it->server), "database", s_text (it->database),
                                          "text", it->text, "remedy", s_text (it->remedy)));
    }
    return json_pack (
        "{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:i}", "group",
        s_text (self->settings ? self->settings->group : NULL), "databases",
        (json_int_t)self->databases, "instances", (json_int_t)self->instances, "agents",
        (json_int_t)self->agents, "agents_reached", (json_int_t)self->reached, "failures",
        (json_int_t)bm_findings_level_count (&self->findings, BM_LEVEL_FAILURE), "warnings",
        (json_int_t)bm_findings_level_count (&self->findings, BM_LEVEL_WARNING), "notes",
        (json_int_t)bm_findings_level_count (&self->findings, BM_LEVEL_NOTE), "findings", findings,
        "error", s_json_error (self), "exit", bm_inspection_exit_code (self));
}

static int
s_check (const bm_options_t *options)
{
    bm_inspection_t inspection;
    bm_inspection_run (options->config, &inspection);
    int code = bm_inspection_exit_code (&inspection);
    if (options->json)
        bm_command_print_json (s_json (&inspection));
    else
        s_print (&inspection, bm_terminal_columns (STDOUT_FILENO, BM_TERMINAL_COLUMNS));
    bm_inspection_clear (&inspection);
    return code;
}

const bm_command_t bm_command_check = {
    "check",
    "would a run work, and can its backups be relied on?",
    "btsmark check: looks at every precondition of a run without touching anything: "
    "configuration, agents,\n"
    "clocks, logins and grants, recovery models, procedures, folders and their room, the old "
    "backup job,\n"
    "databases that were forgotten, log chains, and how old the newest mark is that the group can "
    "be restored\n"
    "to. What cannot be reached is told, and all the rest is looked at all the same.\n"
    "\n"
    "Each finding is a failure (a run would fail, or its backups could not be relied on), a "
    "warning, or a\n"
    "note, has a topic that monitors may rely on, and says what to do. The exit code is 0 when "
    "there is no\n"
    "failure (with exit-on-warnings = 3: 3 when there are warnings), else the one a run would end "
    "with, of\n"
    "the most severe failure: 10 configuration, 12 key or duty, 13 out of reach, 14 management "
    "database or\n"
    "catalogue, 20 a database or folder is not ready, 21 no usable mark within recovery-point.\n"
    "\n"
    "Examples:\n"
    "  btsmark check             after installing, after every change, and when a run fails\n"
    "  btsmark check --json      for a monitor\n",
    BM_TAKES_JSON,
    s_check,
    NULL,
    NULL};
