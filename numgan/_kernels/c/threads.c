/* The pool of threads.h. One call at a time owns it. Helpers join the open call and leave when no task is
 * left. */
#include "kernels.h"

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#ifdef _MSC_VER
#define NG_LOCAL __declspec(thread)
#else
#define NG_LOCAL _Thread_local
#endif

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#define NG_POSIX 1
#else /* one thread works on each job; several threads may have a job each */
#define NG_POSIX 0
#define atomic_int int
#define atomic_ptrdiff_t ptrdiff_t
#define atomic_fetch_add(p, n) ((*(p) += (n)) - (n))
#define atomic_compare_exchange_strong(p, old, new) (*(p) == *(old) ? (*(p) = (new), 1) : 0)
#endif

/* ---- memory that a thread keeps */

typedef struct {
    void *memory[NG_SCRATCH_SLOTS];
    size_t bytes[NG_SCRATCH_SLOTS];
} scratch;

static NG_LOCAL scratch own;

static void release(void *ending)
{
    for (int slot = 0; slot < NG_SCRATCH_SLOTS; slot++)
        ng_free_pages(((scratch *)ending)->memory[slot]);
}

#if NG_POSIX
static pthread_key_t at_exit;
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void make_key(void)
{
    pthread_key_create(&at_exit, release);
}
#endif

void *ng_scratch(int slot, size_t bytes)
{
    if (bytes > own.bytes[slot] || !own.memory[slot]) {
        ng_free_pages(own.memory[slot]);
        own.memory[slot] = ng_pages(NG_MAX(bytes, 1));
        own.bytes[slot] = own.memory[slot] ? bytes : 0;
#if NG_POSIX
        pthread_once(&made, make_key);
        pthread_setspecific(at_exit, &own);
#endif
    }
    return own.memory[slot];
}

/* ---- jobs */

enum { MOST_HELPERS = 255 };
static const int64_t POLL_NS = 20 * 1000 * 1000; /* between two checks for Ctrl-C */

typedef struct {
    int (*body)(const void *, ptrdiff_t);
    const void *context;
    ptrdiff_t tasks;
    atomic_ptrdiff_t next; /* the next task to take */
    atomic_int status;     /* the first that is not 0; all tasks then stop */
    atomic_int active;     /* helpers at work */
    int seats;             /* helpers that may still join; under the pool's lock */
    atomic_int alone;      /* 1: helpers stop after their current task, and the caller does the rest */
    int (*poll)(void);
    int64_t polled;
} job;

static NG_LOCAL job *current;  /* the job that this thread works on */
static NG_LOCAL int is_caller; /* whether this thread started it */

static int64_t now(void)
{
    struct timespec t;
#if NG_POSIX
    clock_gettime(CLOCK_MONOTONIC, &t);
#else
    timespec_get(&t, TIME_UTC);
#endif
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void stop(job *j, int status)
{
    int none = 0;
    atomic_compare_exchange_strong(&j->status, &none, status);
}

int ng_interrupted(void)
{
    job *j = current;
    if (!j)
        return 0;
    if (is_caller && j->poll && !j->status) { /* after an exception no other handler may run */
        const int64_t time = now();
        if (time - j->polled > POLL_NS) {
            j->polled = time;
            if (j->poll())
                stop(j, NG_INTERRUPTED);
        }
    }
    return j->status != 0;
}

/* Take tasks until none is left. A job within a job, from a signal handler that calls a kernel, does not
 * touch the scratch of the outer job. */
static void work(job *j, int caller)
{
    job *before = current;
    const int before_caller = is_caller;
    const scratch before_own = own;
    if (before)
        memset(&own, 0, sizeof(own));
    current = j, is_caller = caller;
    while (!ng_interrupted() && (caller || !j->alone)) {
        const ptrdiff_t task = atomic_fetch_add(&j->next, 1);
        if (task >= j->tasks)
            break;
        const int status = j->body(j->context, task);
        if (status)
            stop(j, status);
    }
    current = before, is_caller = before_caller;
    if (before) {
        release(&own);
        own = before_own;
    }
}

#if NG_POSIX

/* how long a helper waits actively for the next call before it sleeps */
static const int64_t SPIN_NS = 1000 * 1000;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t opened, left;
    atomic_int taken;        /* 1 while a call owns the pool */
    atomic_uint generation;  /* calls so far */
    job *open;               /* the call that may be joined */
    int helpers, asleep;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER,
          .left = PTHREAD_COND_INITIALIZER};

static NG_LOCAL job *owned; /* the job for which this thread owns the pool */

static inline void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* Wait, without the lock, until *value differs from `old`, but not for long. */
static void spin_while(atomic_uint *value, unsigned old)
{
    for (int64_t end = now() + SPIN_NS; *value == old && now() < end;)
        for (int i = 0; i < 32 && *value == old; i++)
            pause_briefly();
}

static void *help(void *unused)
{
    unsigned seen = 0;
    (void)unused;
    for (;;) {
        spin_while(&pool.generation, seen);
        pthread_mutex_lock(&pool.lock);
        pool.asleep++;
        while (pool.generation == seen)
            pthread_cond_wait(&pool.opened, &pool.lock);
        pool.asleep--;
        seen = pool.generation;
        job *j = pool.open;
        if (j && j->seats > 0) {
            j->seats--;
            j->active++;
            pthread_mutex_unlock(&pool.lock);
            work(j, 0);
            pthread_mutex_lock(&pool.lock);
            if (--j->active == 0)
                pthread_cond_signal(&pool.left);
        }
        pthread_mutex_unlock(&pool.lock);
    }
    return NULL;
}

/* A signal handler may fork while its thread waits for helpers. The child has no helpers, so before the fork
 * the helpers finish their current tasks. */
static void before_fork(void)
{
    if (!owned)
        return;
    owned->alone = 1;
    pthread_mutex_lock(&pool.lock);
    owned->seats = 0;
    while (owned->active)
        pthread_cond_wait(&pool.left, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
}

/* A forked child has no helpers. Its locks may be held by a thread that no longer exists, so make new
 * ones. */
static void after_fork(void)
{
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.opened, NULL);
    pthread_cond_init(&pool.left, NULL);
    pool.open = NULL;
    pool.helpers = pool.asleep = 0;
    pool.taken = owned != NULL;
}

/* Start helpers until there are `wanted`, or until no more can start. The caller holds the lock. Helpers
 * take no signals that are meant for the program's threads. */
static void start_helpers(int wanted)
{
    static int registered;
    pthread_attr_t detached;
    pthread_t thread;
    sigset_t all, before;
    if (pool.helpers >= wanted)
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (!registered)
        registered = pthread_atfork(before_fork, NULL, after_fork) == 0;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    while (pool.helpers < wanted && registered && pthread_create(&thread, &detached, help, NULL) == 0)
        pool.helpers++;
    pthread_attr_destroy(&detached);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Wait until the last helper has left. Ctrl-C works meanwhile. */
static void wait_for_helpers(job *j)
{
    for (int64_t end = now() + SPIN_NS; j->active && now() < end;)
        pause_briefly();
    job *before = current;
    const int before_caller = is_caller;
    current = j, is_caller = 1;
    pthread_mutex_lock(&pool.lock);
    while (j->active) {
        struct timespec soon;
        timespec_get(&soon, TIME_UTC);
        soon.tv_nsec += POLL_NS;
        soon.tv_sec += soon.tv_nsec / 1000000000;
        soon.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&pool.left, &pool.lock, &soon);
        pthread_mutex_unlock(&pool.lock); /* never wait for the GIL with this lock held */
        ng_interrupted();
        pthread_mutex_lock(&pool.lock);
    }
    pthread_mutex_unlock(&pool.lock);
    current = before, is_caller = before_caller;
}

int ng_parallel(int (*body)(const void *, ptrdiff_t), const void *context, ptrdiff_t tasks, int threads,
                int (*poll)(void))
{
    job j = {.body = body, .context = context, .tasks = tasks, .poll = poll, .polled = poll ? now() : 0};
    int none = 0;
    if (tasks < 2 || threads < 2 || !atomic_compare_exchange_strong(&pool.taken, &none, 1)) {
        work(&j, 1);
        return j.status;
    }
    j.seats = (int)((tasks < threads ? tasks : threads) - 1);
    owned = &j;
    pthread_mutex_lock(&pool.lock);
    start_helpers(j.seats < MOST_HELPERS ? j.seats : MOST_HELPERS);
    pool.open = &j;
    pool.generation++;
    if (pool.asleep)
        pthread_cond_broadcast(&pool.opened);
    pthread_mutex_unlock(&pool.lock);

    work(&j, 1);

    pthread_mutex_lock(&pool.lock);
    pool.open = NULL; /* no helper can join from now on */
    pthread_mutex_unlock(&pool.lock);
    wait_for_helpers(&j);
    owned = NULL;
    pool.taken = 0;
    return j.status;
}

#else

int ng_parallel(int (*body)(const void *, ptrdiff_t), const void *context, ptrdiff_t tasks, int threads,
                int (*poll)(void))
{
    job j = {.body = body, .context = context, .tasks = tasks, .poll = poll, .polled = poll ? now() : 0};
    (void)threads;
    work(&j, 1);
    return j.status;
}

#endif
