/* The pool of threads.c under the thread sanitizer: several callers, jobs within jobs, failing and interrupted
   jobs, short-lived callers.
 * With the argument "race" the bodies also write to one shared number, which has to be found.
 */
#include "kernels.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { CALLERS = 4, CALLS = 300, TASKS = 13 };

typedef struct {
    long sums[TASKS];
    int failing, nested;
} work;

static int race;
static long shared;
static _Thread_local int polled;

static int look(void)
{
    return ++polled % 3 == 0;
}

static int body(const void *context, ptrdiff_t task)
{
    work *w = (work *)context;
    long *mine = ng_scratch(task % NG_SCRATCH_SLOTS, (size_t)(1000 + task * 100) * sizeof(long));
    if (task == w->failing)
        return NG_NO_MEMORY;
    for (int i = 0; i < 1000; i++)
        mine[i] = i;
    if (w->nested && task == 2) { /* as a signal handler does it */
        work inner = {.failing = -1};
        if (ng_parallel(body, &inner, TASKS, 3, NULL))
            return 1;
    }
    w->sums[task] = 0;
    for (int i = 0; i < 1000; i++)
        w->sums[task] += mine[i];
    if (race)
        shared++;
    return ng_interrupted() ? NG_INTERRUPTED : 0;
}

static int slow(const void *context, ptrdiff_t task)
{
    const struct timespec moment = {0, 5000000};
    (void)context, (void)task;
    for (int i = 0; i < 10 && !ng_interrupted(); i++)
        nanosleep(&moment, NULL);
    return ng_interrupted() ? NG_INTERRUPTED : 0;
}

static void *call(void *number)
{
    long wrong = 0;
    for (int i = 0; i < CALLS; i++) {
        work w = {.failing = i % 10 == 9 ? i % TASKS : -1, .nested = i % 7 == 3};
        const int status = ng_parallel(body, &w, TASKS, 1 + i % 4, NULL);
        wrong += status != (w.failing >= 0 ? NG_NO_MEMORY : 0);
        for (int task = 0; task < TASKS && !status; task++)
            wrong += w.sums[task] != 999 * 500;
    }
    if (number)
        wrong += ng_parallel(slow, NULL, 40, 3, look) != NG_INTERRUPTED;
    return (void *)wrong;
}

int main(int count, char **words)
{
    race = count > 1 && !strcmp(words[1], "race");
    long wrong = 0;
    for (int round = 0; round < 3; round++) {
        pthread_t callers[CALLERS];
        for (long i = 0; i < CALLERS; i++)
            pthread_create(&callers[i], NULL, call, (void *)i);
        for (int i = 0; i < CALLERS; i++) {
            void *found;
            pthread_join(callers[i], &found);
            wrong += (long)found;
        }
    }
    printf("%ld wrong results\n", wrong);
    return wrong != 0;
}
