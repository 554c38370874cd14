/* A SEC node that is never what a benchmark waits for. One thread, Linux, loopback.
 *
 *     fast_node FILE [PORT]
 *
 * prints `PORT <number>` once it listens. Each line of FILE is one of
 *
 *     D <JSON>                             the description
 *     P <module:name> <kind> <JSON>        a parameter and its value; the kind is
 *                                          n: a number, which floods count up
 *                                          t: the target of a module that moves
 *                                          x: anything else
 *     C <module:name>                      a command, which returns its argument
 *
 * Besides SECoP it knows requests that set how it behaves, for all clients:
 *
 *     _delay <us>                          what it is asked for is answered so late
 *     _drive <us>                          so long does a move take
 *     _flood <count> <rate> <what>         sends updates, rate per second or, for 0,
 *                                          as fast as they are taken; `numbers`, `all`
 *                                          or a parameter. The n-th update of a number
 *                                          says n. Answered when all is sent
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, MOST_UNSENT = 1 << 18, BURST = 2000, EVENTS = 64 };
#define IDLE "[100,\"idle\"]"
#define BUSY "[300,\"moving\"]"

typedef struct {
    char *data;
    size_t start, end, capacity;
} Buffer;

typedef struct {
    char *specifier;
    size_t length;
    char kind;
    char *data; /* JSON */
    size_t size;
    int value, status; /* of the module, if this is a target */
} Parameter;

typedef struct {
    int64_t at;
    uint64_t end; /* position in all that was ever sent */
} Due;

typedef struct Client {
    int fd;
    bool active, gone, waits_to_write;
    Buffer in, out, due;
    uint64_t sent;
    struct Client *next;
} Client;

typedef struct {
    int64_t at;
    int target;
} Move;

static Parameter *parameters;
static int count, *table;
static uint32_t mask;
static char *description;
static Client *clients;
static int epoll, listener;
static int64_t delay, drive; /* ns */
static Buffer moves;
static struct {
    Client *by;
    long count, sent;
    double rate;
    int64_t since;
    size_t unsent;
    int *which, choices;
} flood;

/* Memory and time */

static void *grown(void *memory, size_t size)
{
    memory = realloc(memory, size);
    if (!memory)
        exit(1);
    return memory;
}

static void *room(Buffer *buffer, size_t size)
{
    if (buffer->end + size > buffer->capacity && buffer->start) {
        buffer->end -= buffer->start;
        memmove(buffer->data, buffer->data + buffer->start, buffer->end);
        buffer->start = 0;
    }
    if (buffer->end + size > buffer->capacity) {
        buffer->capacity = 2 * buffer->capacity + size;
        buffer->data = grown(buffer->data, buffer->capacity);
    }
    return buffer->data + buffer->end;
}

static void add(Buffer *buffer, const void *data, size_t size)
{
    memcpy(room(buffer, size), data, size);
    buffer->end += size;
}

static void say(Client *client, const char *text) { add(&client->out, text, strlen(text)); }

static int64_t now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static size_t format(char *text, int64_t number)
{
    char digits[24];
    size_t length = 0, i = 0;
    do
        digits[length++] = '0' + number % 10;
    while (number /= 10);
    while (length)
        text[i++] = digits[--length];
    return i;
}

/* Parameters */

static uint32_t hash(const char *text, size_t length)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)text[i]) * 16777619u;
    return h;
}

static int find(const char *specifier, size_t length)
{
    for (uint32_t i = hash(specifier, length) & mask; table[i] >= 0; i = (i + 1) & mask) {
        Parameter *p = &parameters[table[i]];
        if (p->length == length && !memcmp(p->specifier, specifier, length))
            return table[i];
    }
    return -1;
}

static int sibling(const Parameter *p, const char *name)
{
    char text[256];
    int length = strchr(p->specifier, ':') - p->specifier;
    return find(text, snprintf(text, sizeof text, "%.*s:%s", length, p->specifier, name));
}

static void load(const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t capacity = 0, room_for = 0;
    ssize_t size;
    if (!file) {
        perror(path);
        exit(1);
    }
    while ((size = getline(&line, &capacity, file)) > 2) {
        if (line[size - 1] == '\n')
            line[--size] = 0;
        if (line[0] == 'D') {
            description = strdup(line + 2);
            continue;
        }
        if ((size_t)count == room_for) {
            room_for = 2 * room_for + 1024;
            parameters = grown(parameters, room_for * sizeof *parameters);
        }
        Parameter *p = &parameters[count++];
        p->length = strcspn(line + 2, " ");
        p->specifier = strndup(line + 2, p->length);
        char *rest = line + 2 + p->length;
        p->kind = line[0] == 'P' ? rest[1] : 'c';
        p->data = strdup(line[0] == 'P' ? rest + 3 : "null");
        p->size = strlen(p->data);
    }
    free(line);
    fclose(file);
    for (mask = 16; mask < 3u * count; mask *= 2)
        ;
    table = grown(NULL, mask * sizeof *table);
    memset(table, -1, mask-- * sizeof *table);
    for (int n = 0; n < count; n++) {
        uint32_t i = hash(parameters[n].specifier, parameters[n].length) & mask;
        while (table[i] >= 0)
            i = (i + 1) & mask;
        table[i] = n;
    }
    for (int n = 0; n < count; n++) {
        parameters[n].value = sibling(&parameters[n], "value");
        parameters[n].status = sibling(&parameters[n], "status");
    }
}

static void set(Parameter *p, const char *data, size_t size)
{
    p->data = grown(p->data, size + 1);
    memcpy(p->data, data, size);
    p->size = size;
}

/* Sending */

static void report(Client *client, const char *action, const Parameter *p)
{
    char time[40] = ",{\"t\":";
    int64_t t = now(CLOCK_REALTIME) / 1000;
    size_t i = 6 + format(time + 6, t / 1000000);
    time[i++] = '.';
    format(time + i, 1000000 + t % 1000000); /* a one, and six digits */
    memmove(time + i, time + i + 1, 6);
    memcpy(time + i + 6, "}]\n", 3);
    say(client, action);
    add(&client->out, p->specifier, p->length);
    add(&client->out, " [", 2);
    add(&client->out, p->data, p->size);
    add(&client->out, time, i + 9);
}

static void publish(const Parameter *p)
{
    for (Client *client = clients; client; client = client->next)
        if (client->active)
            report(client, "update ", p);
}

static void publish_as(int n, const char *data, size_t size)
{
    if (n < 0)
        return;
    set(&parameters[n], data, size);
    publish(&parameters[n]);
}

static size_t sendable(Client *client)
{
    Due *due = (Due *)(client->due.data + client->due.start);
    Due *last = (Due *)(client->due.data + client->due.end);
    uint64_t until = client->sent;
    int64_t time = due < last ? now(CLOCK_MONOTONIC) : 0;
    for (; due < last && due->at <= time; due++)
        until = due->end;
    client->due.start = (char *)due - client->due.data;
    return due < last ? until - client->sent : client->out.end - client->out.start;
}

static void send_out(Client *client)
{
    Buffer *out = &client->out;
    size_t left = sendable(client);
    while (left) {
        ssize_t size = send(client->fd, out->data + out->start, left, MSG_NOSIGNAL);
        if (size < 0) {
            client->gone |= errno != EAGAIN && errno != EINTR;
            break;
        }
        out->start += size;
        client->sent += size;
        left -= size;
    }
    if (out->start == out->end)
        out->start = out->end = 0;
    if (client->waits_to_write != (left > 0)) {
        client->waits_to_write = left > 0;
        struct epoll_event event = {.events = EPOLLIN | (left ? EPOLLOUT : 0), .data.ptr = client};
        epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event);
    }
}

/* Requests */

static void arrive(const Parameter *target)
{
    publish_as(target->value, target->data, target->size);
    publish_as(target->status, IDLE, strlen(IDLE));
}

static void change(Client *client, int n, const char *data, size_t size)
{
    Parameter *p = &parameters[n];
    bool moves_now = p->kind == 't';
    if (moves_now)
        publish_as(p->status, BUSY, strlen(BUSY));
    publish_as(n, data, size);
    report(client, "changed ", p);
    if (moves_now && drive) {
        Move move = {now(CLOCK_MONOTONIC) + drive, n};
        add(&moves, &move, sizeof move);
    } else if (moves_now)
        arrive(p);
}

static void begin_flood(Client *client, const char *arguments)
{
    char what[128] = "";
    flood.rate = 0;
    flood.sent = flood.choices = 0;
    sscanf(arguments, "%ld %lf %127s", &flood.count, &flood.rate, what);
    flood.which = grown(flood.which, count * sizeof *flood.which);
    for (int n = 0; n < count; n++) {
        Parameter *p = &parameters[n];
        bool wanted = !strcmp(what, "all") ? p->kind != 'c' : !strcmp(what, p->specifier);
        if (wanted || (!strcmp(what, "numbers") && p->kind == 'n'))
            flood.which[flood.choices++] = n;
    }
    flood.since = now(CLOCK_MONOTONIC);
    flood.by = flood.choices ? client : NULL;
}

static void answer(Client *client, char *line, size_t size)
{
    if (size && line[size - 1] == '\r')
        size--;
    line[size] = 0;
    char *specifier = line + strcspn(line, " ");
    if (*specifier)
        *specifier++ = 0;
    size_t length = strcspn(specifier, " ");
    char *data = specifier + length + (specifier[length] == ' ');
    int n = find(specifier, length);
    Parameter echo = {.specifier = specifier, .length = length, .data = *data ? data : "null"};
    echo.size = strlen(echo.data);
    if (!strcmp(line, "read") && n >= 0)
        report(client, "reply ", &parameters[n]);
    else if (!strcmp(line, "change") && n >= 0 && *data)
        change(client, n, data, line + size - data);
    else if (!strcmp(line, "do") && n >= 0)
        report(client, "done ", &echo);
    else if (!strcmp(line, "ping"))
        report(client, "pong ", &echo);
    else if (!strcmp(line, "*IDN?"))
        say(client, "ISSE,SECoP,V2019-09-16,v1.0\n");
    else if (!strcmp(line, "describe")) {
        say(client, "describing . ");
        say(client, description);
        say(client, "\n");
    } else if (!strcmp(line, "activate")) {
        client->active = true;
        for (n = 0; n < count; n++)
            if (parameters[n].kind != 'c')
                report(client, "update ", &parameters[n]);
        say(client, "active\n");
    } else if (!strcmp(line, "deactivate")) {
        client->active = false;
        say(client, "inactive\n");
    } else if (!strcmp(line, "_delay")) {
        delay = 1000 * atoll(specifier);
        say(client, "_done\n");
        return;
    } else if (!strcmp(line, "_drive")) {
        drive = 1000 * atoll(specifier);
        say(client, "_done\n");
    } else if (!strcmp(line, "_flood"))
        begin_flood(client, specifier);
    else {
        say(client, "error_");
        say(client, line);
        say(client, " ");
        add(&client->out, specifier, length);
        say(client, " [\"ProtocolError\",\"not known here\",{}]\n");
    }
    if (delay) {
        Due due = {now(CLOCK_MONOTONIC) + delay, client->sent + client->out.end - client->out.start};
        add(&client->due, &due, sizeof due);
    }
}

static void receive(Client *client)
{
    Buffer *in = &client->in;
    ssize_t size = recv(client->fd, room(in, CHUNK), CHUNK - 1, 0);
    if (size <= 0) {
        client->gone = size == 0 || (errno != EAGAIN && errno != EINTR);
        return;
    }
    in->end += size;
    char *end;
    while ((end = memchr(in->data + in->start, '\n', in->end - in->start))) {
        char *line = in->data + in->start;
        in->start = end + 1 - in->data;
        answer(client, line, end - line);
    }
}

static void go_on_with_flood(void)
{
    flood.unsent = 0;
    for (Client *client = clients; client; client = client->next)
        if (client->active && client->out.end - client->out.start > flood.unsent)
            flood.unsent = client->out.end - client->out.start;
    long todo = flood.unsent < MOST_UNSENT ? BURST : 0;
    if (flood.rate > 0)
        todo = (now(CLOCK_MONOTONIC) - flood.since) * 1e-9 * flood.rate - flood.sent;
    if (todo > flood.count - flood.sent)
        todo = flood.count - flood.sent;
    for (; todo > 0; todo--) {
        Parameter *p = &parameters[flood.which[flood.sent++ % flood.choices]];
        if (p->kind == 'n') {
            char number[24];
            set(p, number, format(number, flood.sent));
        }
        publish(p);
    }
    if (flood.sent == flood.count && !flood.unsent) {
        say(flood.by, "_flooded\n");
        flood.by = NULL;
    }
}

static void end_moves(void)
{
    Move *move = (Move *)(moves.data + moves.start), *last = (Move *)(moves.data + moves.end);
    for (int64_t time = now(CLOCK_MONOTONIC); move < last && move->at <= time; move++) {
        arrive(&parameters[move->target]);
        moves.start += sizeof *move;
    }
}

/* When something is to be done though nothing has come, in ns */
static int64_t patience(void)
{
    int64_t at = INT64_MAX, time = now(CLOCK_MONOTONIC);
    for (Client *client = clients; client; client = client->next)
        if (client->due.end > client->due.start) {
            Due *due = (Due *)(client->due.data + client->due.start);
            at = due->at < at ? due->at : at;
        }
    if (moves.end > moves.start) {
        Move *move = (Move *)(moves.data + moves.start);
        at = move->at < at ? move->at : at;
    }
    if (flood.by) {
        bool later = flood.rate > 0 || flood.unsent >= MOST_UNSENT || flood.sent == flood.count;
        at = time + (later ? 1000000 : 0);
    }
    return at == INT64_MAX ? -1 : at > time ? at - time : 0;
}

static void welcome(void)
{
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    Client *client = calloc(1, sizeof *client);
    client->fd = fd;
    client->next = clients;
    clients = client;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void serve(void)
{
    struct epoll_event events[EVENTS];
    int64_t wait = patience();
    struct timespec timeout = {wait / 1000000000, wait % 1000000000};
    int ready = epoll_pwait2(epoll, events, EVENTS, wait < 0 ? NULL : &timeout, NULL);
    for (int i = 0; i < ready; i++)
        if (!events[i].data.ptr)
            welcome();
        else if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            receive(events[i].data.ptr);
    end_moves();
    if (flood.by)
        go_on_with_flood();
    for (Client **at = &clients; *at;) {
        Client *client = *at;
        send_out(client);
        if (!client->gone) {
            at = &client->next;
            continue;
        }
        if (flood.by == client)
            flood.by = NULL;
        *at = client->next;
        close(client->fd);
        free(client->in.data);
        free(client->out.data);
        free(client->due.data);
        free(client);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    load(argv[1]);
    signal(SIGPIPE, SIG_IGN);
    int one = 1;
    epoll = epoll_create1(0);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons(argc > 2 ? atoi(argv[2]) : 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener, (void *)&address, size) || listen(listener, 64)) {
        perror("cannot listen");
        return 1;
    }
    getsockname(listener, (void *)&address, &size);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    printf("PORT %d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;)
        serve();
}
