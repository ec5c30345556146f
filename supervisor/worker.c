/* The thread that does later what can be done later (supervisor/worker.h). */
#include "supervisor/worker.h"

#include "supervisor/confine.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>

enum {
    LINE = 64
}; /* jobs in line at most: what a file's bytes are is asked soon after they were used, and memory is bounded */

struct job {
    void (*run)(void *context);
    void *context;
};

struct worker {
    pthread_t thread;
    pthread_mutex_t lock; /* of everything below */
    pthread_cond_t given, done;
    struct job line[LINE];
    unsigned first, count; /* the first stays in line while it runs */
    bool ready, over;
};

static void *work(void *context)
{
    struct worker *w = context;
    (void)prctl(PR_SET_TSC,
                PR_TSC_ENABLE); /* nobody is held by this one, and it hears of no fault (supervisor/tsc_own.h) */
    confine_thread();
    pthread_mutex_lock(&w->lock);
    w->ready = true;
    pthread_cond_signal(&w->done);
    for (;;) {
        while (w->count == 0 && !w->over)
            pthread_cond_wait(&w->given, &w->lock);
        if (w->count == 0)
            break;
        struct job j = w->line[w->first];
        pthread_mutex_unlock(&w->lock);
        j.run(j.context);
        pthread_mutex_lock(&w->lock);
        w->first = (w->first + 1) % LINE;
        w->count--;
        pthread_cond_signal(&w->done);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* On any processor but the guest's. Signals are the other thread's. */
static bool begin(struct worker *w, const cpu_set_t *others)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    bool good = pthread_attr_setaffinity_np(&attributes, sizeof *others, others) == 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    good = good && pthread_create(&w->thread, &attributes, work, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return good;
}

struct worker *worker_new(const cpu_set_t *allowed, int cpu)
{
    cpu_set_t others = *allowed;
    if (cpu < 0)
        return NULL;
    CPU_CLR(cpu, &others);
    struct worker *w = CPU_COUNT(&others) > 0 ? calloc(1, sizeof *w) : NULL;
    if (w == NULL)
        return NULL;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->given, NULL);
    pthread_cond_init(&w->done, NULL);
    if (!begin(w, &others)) {
        free(w);
        return NULL;
    }
    pthread_mutex_lock(&w->lock); /* what a thread begins with, the seccomp program would not let through */
    while (!w->ready)
        pthread_cond_wait(&w->done, &w->lock);
    pthread_mutex_unlock(&w->lock);
    return w;
}

void worker_do(struct worker *w, void (*job)(void *context), void *context)
{
    if (w == NULL) {
        job(context);
        return;
    }
    pthread_mutex_lock(&w->lock);
    while (w->count == LINE)
        pthread_cond_wait(&w->done, &w->lock);
    w->line[(w->first + w->count++) % LINE] = (struct job){job, context};
    pthread_cond_signal(&w->given);
    pthread_mutex_unlock(&w->lock);
}

void worker_wait(struct worker *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    while (w->count > 0)
        pthread_cond_wait(&w->done, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

void worker_free(struct worker *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->over = true;
    pthread_cond_signal(&w->given);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->given);
    pthread_cond_destroy(&w->done);
    free(w);
}
