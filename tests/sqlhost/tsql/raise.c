/*  What an error does. SQL Server knows several classes, told apart by number ("Database engine
 *  error severities", and Erland Sommarskog, "Error and Transaction Handling in SQL Server"):
 *
 *      statement   the statement is undone, the next one runs (most constraint errors)
 *      scope       the batch or module ends, its caller goes on (unknown table or column)
 *      batch       everything ends and the transaction is rolled back (conversion errors, 1205)
 *      connection  severity 20 and more
 *
 *  XACT_ABORT makes batch of statement (not for RAISERROR). In a TRY control goes to the CATCH of the
 *  innermost one instead; what would have been batch dooms the transaction. */
#include <stdio.h>
#include <string.h>

#include "interp.h"

sh_status_t
sh_error_set (sh_session_t *self, int number, int severity, int state, const char *format, ...)
{
    va_list args;
    self->error.number = number;
    self->error.severity = severity;
    self->error.state = state;
    va_start (args, format);
    vsnprintf (self->error.text, sizeof self->error.text, format, args);
    va_end (args);
    return SH_ERROR;
}

sh_status_t
sh_error_unsupported (sh_session_t *self, const char *what)
{
    return sh_error_set (self, SH_NOT_SUPPORTED, 16, 1, "%s is not supported by sqlhost.", what);
}

static bool
s_ends_scope (int number)
{
    static const int numbers[] = {137,  195,  207, 208, 209, 213, 107,  4104, 1087, 116,
                                  4121, 8155, 205, 102, 156, 105, 8158, 145,  108,  402,
                                  8117, 174,  110, 109, 120, 121, 1038, 4145, 8144};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i] == number)
            return true;
    return false;
}

static bool
s_ends_batch (int number)
{
    static const int numbers[] = {245,  241,  242, 248, 244, 295, 8114, 8169, 1205,
                                  3930, 3931, 217, 281, 529, 220, 3609, 9001, 6005};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i] == number)
            return true;
    return false;
}

/*  The CATCH of a TRY in this frame does not see a compile error of this frame. */
static bool
s_can_catch (const sh_session_t *self, bool compile)
{
    if (!self->try_depth)
        return false;
    int here = self->frame ? self->frame->try_depth : 0;
    return !compile || self->try_depth > here;
}

static void
s_remember (sh_session_t *self, int line, bool compile)
{
    self->pending.error = self->error;
    self->pending.line = line;
    self->pending.not_in = compile ? self->frame : NULL;
    snprintf (self->pending.procedure, sizeof self->pending.procedure, "%s",
              self->frame && self->frame->procedure ? self->frame->procedure : "");
}

static sh_flow_t
s_uncaught (sh_session_t *self, int line, bool batch, bool compile)
{
    sh_out_message (self, &self->error, line);
    sh_out_failed (self, false);
    if (self->error.severity >= 20) {
        sh_rollback_all (self);
        return SH_FLOW_CLOSE;
    }
    if (batch) {
        sh_rollback_all (self);
        return SH_FLOW_BATCH;
    }
    return compile ? SH_FLOW_SCOPE : SH_FLOW_NEXT;
}

static sh_flow_t
s_error (sh_session_t *self, int line, bool batch, bool compile)
{
    self->last_error = self->error.number;
    self->last_rowcount = 0;
    if (self->error.number == 1205 && sh_txn_active (self->engine)) {
        /*  The victim's locks go at once; a CATCH still sees its transaction, doomed. */
        sh_txn_rollback (self->engine);
    }
    if (s_can_catch (self, compile) && self->error.severity < 20) {
        s_remember (self, line, compile);
        sh_out_failed (self, true);
        if (batch && self->trancount > 0)
            self->doomed = true;
        return SH_FLOW_CATCH;
    }
    return s_uncaught (self, line, batch, compile);
}

sh_flow_t
sh_raise (sh_session_t *self, sh_status_t status, int line)
{
    switch (status) {
        case SH_OK:
        case SH_END:
            self->last_error = 0;
            return SH_FLOW_NEXT;
        case SH_CANCELLED:
            return SH_FLOW_STOP;
        case SH_KILLED:
            if (self->error.number)
                sh_out_message (self, &self->error, line);
            return SH_FLOW_CLOSE;
        default:
            break;
    }
    if (self->error.severity <= 10) {
        sh_out_message (self, &self->error, line);
        self->last_error = self->error.number;
        return SH_FLOW_NEXT;
    }
    bool compile = s_ends_scope (self->error.number);
    bool batch =
        s_ends_batch (self->error.number) || (self->set.xact_abort && self->error.number != 266);
    return s_error (self, line, batch, compile);
}

sh_flow_t
sh_raise_user (sh_session_t *self, int line, bool throw)
{
    if (self->error.severity <= 10) {
        sh_out_message (self, &self->error, line);
        return SH_FLOW_NEXT;
    }
    if (!throw)
        return s_error (self, line, false, false);
    /*  THROW ends the batch; the transaction goes only under XACT_ABORT. */
    sh_flow_t flow = s_error (self, line, self->set.xact_abort, false);
    return flow == SH_FLOW_NEXT ? SH_FLOW_BATCH : flow;
}
