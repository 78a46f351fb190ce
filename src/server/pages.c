/* pages.c - documents by path, behind one lock. */
#include "server/pages.h"

#include "base/alloc.h"

#include <pthread.h>
#include <string.h>

enum { MOST_PAGES = 8, MOST_PATH = 64 };
#define BELOW "/dashboard"

struct page {
    char path[MOST_PATH];
    bool is_html;
    char *body;
    size_t size;
};

struct pages {
    pthread_mutex_t lock;
    struct page list[MOST_PAGES];
    int n;
};

struct pages *pages_new(void) {
    struct pages *p = mem_new(sizeof *p);
    if (p != NULL) pthread_mutex_init(&p->lock, NULL);
    return p;
}

void pages_free(struct pages *p) {
    if (p == NULL) return;
    for (int i = 0; i < p->n; i++)
        mem_free(p->list[i].body);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

/* Under the lock. */
static struct page *find(struct pages *p, const char *path) {
    for (int i = 0; i < p->n; i++)
        if (strcmp(p->list[i].path, path) == 0) return &p->list[i];
    return NULL;
}

bool pages_set(struct pages *p, const char *path, bool is_html, const char *body, size_t size) {
    if (strncmp(path, BELOW, sizeof BELOW - 1) != 0 || strlen(path) >= MOST_PATH) return false;
    char *copy = mem_alloc(size + 1);
    if (copy == NULL) return false;
    memcpy(copy, body, size);
    copy[size] = '\0';
    pthread_mutex_lock(&p->lock);
    struct page *page = find(p, path);
    if (page == NULL && p->n < MOST_PAGES) {
        page = &p->list[p->n++];
        memcpy(page->path, path, strlen(path) + 1);
    }
    char *old = copy;
    if (page != NULL) {
        old = page->body;
        page->body = copy;
        page->size = size;
        page->is_html = is_html;
    }
    pthread_mutex_unlock(&p->lock);
    mem_free(old);
    return page != NULL;
}

bool pages_print(struct pages *p, const char *path, struct text *out, const char **type) {
    pthread_mutex_lock(&p->lock);
    const struct page *page = find(p, path);
    if (page != NULL) {
        text_put(out, page->body, page->size);
        *type = page->is_html ? "text/html; charset=utf-8" : "application/json";
    }
    pthread_mutex_unlock(&p->lock);
    return page != NULL;
}
