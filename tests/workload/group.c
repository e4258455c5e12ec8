#include "tests/workload/group.h"

#include <stdlib.h>
#include <string.h>

#include "common/names.h"

bm_work_group_t *
bm_work_group_new (const char *user, const bm_secret_t *password)
{
    bm_work_group_t *self = bm_alloc (sizeof *self);
    self->user = bm_strdup (user);
    self->password = password;
    return self;
}

void
bm_work_group_destroy (bm_work_group_t **self_p)
{
    bm_work_group_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < self->instance_count; i++) {
        free (self->instances[i].name);
        free (self->instances[i].server);
    }
    for (size_t i = 0; i < self->box_count; i++) {
        free (self->boxes[i].database);
        free (self->boxes[i].second);
        free (self->boxes[i].stream);
    }
    for (size_t i = 0; i < self->target_count; i++)
        free (self->targets[i].database);
    for (size_t i = 0; i < self->orders_count; i++) {
        free (self->orders[i].database);
        free (self->orders[i].second);
    }
    for (size_t i = 0; i < self->place_count; i++)
        free (self->places[i].database);
    free (self->places);
    free (self->instances);
    free (self->boxes);
    free (self->targets);
    free (self->orders);
    free (self->user);
    free (self);
}

bm_status_t
bm_work_group_add (bm_work_group_t *self, const char *text, bm_error_t *error)
{
    const char *equal = strchr (text, '=');
    if (!equal || equal == text || !equal[1])
        return bm_fail (error, BM_USAGE, "%s is not NAME=HOST:PORT", text);
    self->instances =
        bm_realloc (self->instances, (self->instance_count + 1) * sizeof *self->instances);
    bm_work_instance_t *instance = &self->instances[self->instance_count++];
    instance->name = bm_strdup (text);
    instance->name[equal - text] = '\0';
    instance->server = bm_strdup (equal + 1);
    return BM_OK;
}

bm_sql_t *
bm_work_group_open (const bm_work_group_t *self, size_t instance, const char *what,
                    bm_error_t *error)
{
    bm_require (instance < self->instance_count);
    char *program = bm_format ("btsmark-workload %s", what);
    bm_sql_login_t login = {
        .server = self->instances[instance].server,
        .access = {.encrypt = self->ca_file ? BM_SQL_ENCRYPT_REQUIRED : BM_SQL_ENCRYPT_OFF,
                   .ca_file = self->ca_file},
        .user = self->user,
        .password = self->password,
        .program = program};
    bm_sql_t *sql = bm_sql_open (&login, error);
    free (program);
    return sql;
}

const char *
bm_work_events_table (int destination)
{
    return destination == BM_DESTINATION_DTA ? "dta_MessageInOutEvents" : "bam_Events";
}

static void
s_add_box (bm_work_group_t *self, size_t instance, const char *database)
{
    self->boxes = bm_realloc (self->boxes, (self->box_count + 1) * sizeof *self->boxes);
    bm_work_box_t *box = &self->boxes[self->box_count];
    *box = (bm_work_box_t){.instance = instance, .database = bm_strdup (database)};
    box->stream = bm_format ("%s/%s", self->instances[instance].name, database);
    for (size_t i = 0; i < self->box_count; i++)
        if (self->boxes[i].instance == instance && !self->boxes[i].second) {
            self->boxes[i].second = bm_strdup (database); /* each other's */
            if (!box->second)
                box->second = bm_strdup (self->boxes[i].database);
        }
    self->box_count++;
}

static void
s_add_target (bm_work_group_t *self, size_t instance, const char *database, bool has_bodies)
{
    self->targets = bm_realloc (self->targets, (self->target_count + 1) * sizeof *self->targets);
    self->targets[self->target_count++] = (bm_work_target_t){
        instance, bm_strdup (database), has_bodies ? BM_DESTINATION_DTA : BM_DESTINATION_BAM};
}

static void
s_add_orders (bm_work_group_t *self, size_t instance, const char *database)
{
    for (size_t i = 0; i < self->orders_count; i++)
        if (self->orders[i].instance == instance) {
            if (!self->orders[i].second)
                self->orders[i].second = bm_strdup (database);
            return;
        }
    self->orders = bm_realloc (self->orders, (self->orders_count + 1) * sizeof *self->orders);
    self->orders[self->orders_count++] = (bm_work_orders_t){instance, bm_strdup (database), NULL};
}

static void
s_add_place (bm_work_group_t *self, size_t instance, const char *database, bool is_box)
{
    self->places = bm_realloc (self->places, (self->place_count + 1) * sizeof *self->places);
    self->places[self->place_count++] =
        (bm_work_place_t){.instance = instance, .database = bm_strdup (database), .is_box = is_box};
}

static bool
s_route (const bm_work_group_t *self, bool boxes_only, const bm_work_place_t **from,
         const bm_work_place_t **to)
{
    for (size_t i = 0; i < self->place_count; i++)
        for (size_t k = 0; k < self->place_count; k++) {
            *from = &self->places[i];
            *to = &self->places[k];
            if ((*from)->instance != (*to)->instance && (*from)->is_box &&
                ((*to)->is_box || !boxes_only))
                return true;
        }
    return false;
}

bool
bm_work_group_route (const bm_work_group_t *self, const bm_work_place_t **from,
                     const bm_work_place_t **to)
{
    return s_route (self, true, from, to) || s_route (self, false, from, to);
}

/*  Which of our tables the database has. */
static bm_status_t
s_look_at (bm_work_group_t *self, bm_sql_t *sql, size_t instance, const char *database,
           bm_error_t *error)
{
    char *quoted = bm_names_quote (database);
    char *prefix = bm_names_literal (quoted);
    prefix[strlen (prefix) - 1] = '\0';
    char *batch = bm_format ("SELECT OBJECT_ID(%s.dbo.Spool') AS spool, OBJECT_ID(%s.dbo.Orders') "
                             "AS orders, OBJECT_ID(%s.dbo.TDDS_StreamStatus') AS stream, "
                             "OBJECT_ID(%s.dbo.Tracking_Spool1') AS bodies, "
                             "OBJECT_ID(%s.dbo.RoutedMessages') AS routed",
                             prefix, prefix, prefix, prefix, prefix);
    bm_sql_result_t *result = NULL;
    bm_status_t status = bm_sql_exec (sql, batch, &result, error);
    if (status == BM_OK && bm_sql_result_text (result, 0, 0, "spool"))
        s_add_box (self, instance, database);
    if (status == BM_OK && bm_sql_result_text (result, 0, 0, "stream"))
        s_add_target (self, instance, database,
                      bm_sql_result_text (result, 0, 0, "bodies") != NULL);
    if (status == BM_OK && bm_sql_result_text (result, 0, 0, "orders"))
        s_add_orders (self, instance, database);
    if (status == BM_OK && bm_sql_result_text (result, 0, 0, "routed"))
        s_add_place (self, instance, database, bm_sql_result_text (result, 0, 0, "spool") != NULL);
    bm_sql_result_destroy (&result);
    free (batch);
    free (prefix);
    free (quoted);
    return status;
}

static bm_status_t
s_look_around (bm_work_group_t *self, size_t instance, bm_error_t *error)
{
    bm_sql_t *sql = bm_work_group_open (self, instance, "discovery", error);
    if (!sql)
        return error->status;
    bm_sql_result_t *result = NULL;
    bm_status_t status = bm_sql_exec (sql,
                                      "SELECT name FROM sys.databases WHERE name NOT IN "
                                      "(N'master', N'model', N'msdb', N'tempdb') ORDER BY name",
                                      &result, error);
    for (size_t i = 0; status == BM_OK && i < bm_sql_result_rows (result, 0); i++)
        status = s_look_at (self, sql, instance, bm_sql_result_text (result, 0, i, "name"), error);
    bm_sql_result_destroy (&result);
    bm_sql_close (&sql);
    return status;
}

bm_status_t
bm_work_group_discover (bm_work_group_t *self, bm_error_t *error)
{
    bm_error_t own;
    if (!error)
        error = &own;
    for (size_t i = 0; i < self->instance_count; i++)
        if (s_look_around (self, i, error))
            return bm_error_wrap (error, "instance %s", self->instances[i].name);
    return BM_OK;
}
