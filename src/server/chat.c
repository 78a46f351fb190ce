/* chat.c - see chat.h. */
#include "server/chat.h"

#include "base/alloc.h"

#include <string.h>

/* Each message is before_<role> content after_<role>; `answer` opens the assistant's turn. */
struct chat_template {
    const char *name;
    const char *markers[3]; /* all stand in the model's own template */
    const char *before_system, *after_system;
    const char *before_user, *after_user;
    const char *before_assistant, *after_assistant;
    const char *answer;
    const char *stop;
    bool folds_system; /* the system text opens the first user message */
    bool trims;        /* blanks around contents are dropped */
};

/* The first whose markers are all there. */
static const struct chat_template templates[] = {
    {.name = "granite",
     .markers = {"<|start_of_role|>"},
     .before_system = "<|start_of_role|>system<|end_of_role|>",
     .after_system = "<|end_of_text|>\n",
     .before_user = "<|start_of_role|>user<|end_of_role|>",
     .after_user = "<|end_of_text|>\n",
     .before_assistant = "<|start_of_role|>assistant<|end_of_role|>",
     .after_assistant = "<|end_of_text|>\n",
     .answer = "<|start_of_role|>assistant<|end_of_role|>"},
    {.name = "chatml",
     .markers = {"<|im_start|>"},
     .before_system = "<|im_start|>system\n",
     .after_system = "<|im_end|>\n",
     .before_user = "<|im_start|>user\n",
     .after_user = "<|im_end|>\n",
     .before_assistant = "<|im_start|>assistant\n",
     .after_assistant = "<|im_end|>\n",
     .answer = "<|im_start|>assistant\n",
     .stop = "<|im_end|>"},
    {.name = "llama3",
     .markers = {"<|start_header_id|>", "<|eot_id|>"},
     .before_system = "<|start_header_id|>system<|end_header_id|>\n\n",
     .after_system = "<|eot_id|>",
     .before_user = "<|start_header_id|>user<|end_header_id|>\n\n",
     .after_user = "<|eot_id|>",
     .before_assistant = "<|start_header_id|>assistant<|end_header_id|>\n\n",
     .after_assistant = "<|eot_id|>",
     .answer = "<|start_header_id|>assistant<|end_header_id|>\n\n",
     .trims = true},
    {.name = "gemma",
     .markers = {"<start_of_turn>"},
     .before_user = "<start_of_turn>user\n",
     .after_user = "<end_of_turn>\n",
     .before_assistant = "<start_of_turn>model\n",
     .after_assistant = "<end_of_turn>\n",
     .answer = "<start_of_turn>model\n",
     .stop = "<end_of_turn>",
     .folds_system = true,
     .trims = true},
    {.name = "phi3",
     .markers = {"<|user|>", "<|assistant|>", "<|end|>"},
     .before_system = "<|system|>\n",
     .after_system = "<|end|>\n",
     .before_user = "<|user|>\n",
     .after_user = "<|end|>\n",
     .before_assistant = "<|assistant|>\n",
     .after_assistant = "<|end|>\n",
     .answer = "<|assistant|>\n",
     .stop = "<|end|>"},
    {.name = "zephyr",
     .markers = {"<|user|>", "<|assistant|>"},
     .before_system = "<|system|>\n",
     .after_system = "</s>\n",
     .before_user = "<|user|>\n",
     .after_user = "</s>\n",
     .before_assistant = "<|assistant|>\n",
     .after_assistant = "</s>\n",
     .answer = "<|assistant|>\n"},
    {.name = "llama2",
     .markers = {"[INST]", "<<SYS>>"},
     .before_system = "<<SYS>>\n",
     .after_system = "\n<</SYS>>\n\n",
     .before_user = "[INST] ",
     .after_user = " [/INST]",
     .before_assistant = " ",
     .after_assistant = " </s>",
     .answer = "",
     .folds_system = true,
     .trims = true},
    {.name = "mistral",
     .markers = {"[INST]"},
     .before_user = "[INST] ",
     .after_user = " [/INST]",
     .before_assistant = " ",
     .after_assistant = "</s>",
     .answer = "",
     .folds_system = true},
    {.name = "vicuna",
     .markers = {"USER:", "ASSISTANT:"},
     .before_system = "",
     .after_system = "\n\n",
     .before_user = "USER: ",
     .after_user = "\n",
     .before_assistant = "ASSISTANT: ",
     .after_assistant = "</s>\n",
     .answer = "ASSISTANT:",
     .stop = "\nUSER:"},
    {.name = "alpaca",
     .markers = {"### Instruction:"},
     .before_system = "",
     .after_system = "\n\n",
     .before_user = "### Instruction:\n",
     .after_user = "\n\n",
     .before_assistant = "### Response:\n",
     .after_assistant = "\n\n",
     .answer = "### Response:\n",
     .stop = "### Instruction:"},
    /* For models without any template: a dialogue as text. */
    {.name = "plain",
     .before_system = "",
     .after_system = "\n\n",
     .before_user = "User: ",
     .after_user = "\n",
     .before_assistant = "Assistant: ",
     .after_assistant = "\n",
     .answer = "Assistant:",
     .stop = "\nUser:"},
};
enum { N_TEMPLATES = sizeof templates / sizeof *templates };

const char *chat_template_name(const struct chat_template *chat) {
    return chat->name;
}

const char *chat_template_stop(const struct chat_template *chat) {
    return chat->stop;
}

const char *chat_template_names(void) {
    return "alpaca, chatml, gemma, granite, llama2, llama3, mistral, phi3, plain, vicuna, zephyr";
}

static bool holds(const struct gguf_string *text, const char *marker) {
    return memmem(text->data, text->size, marker, strlen(marker)) != NULL;
}

static const struct chat_template *recognise(const struct gguf_string *text) {
    for (int i = 0; i < N_TEMPLATES - 1; i++) {
        const char *const *markers = templates[i].markers;
        bool all = true;
        for (int j = 0; j < 3 && markers[j] != NULL; j++)
            all = all && holds(text, markers[j]);
        if (all) return &templates[i];
    }
    return NULL;
}

const struct chat_template *chat_template_find(const char *name, const struct model *model,
                                               struct err *err) {
    struct gguf_string text;
    for (int i = 0; i < N_TEMPLATES && name != NULL; i++) {
        if (strcmp(templates[i].name, name) == 0) return &templates[i];
    }
    if (name != NULL) {
        err_set(err, ERR_INPUT, "chat template \"%.40s\" is unknown; allowed are %s", name,
                chat_template_names());
        return NULL;
    }
    if (!gguf_get_string(model_file(model), "tokenizer.chat_template", &text)) {
        return &templates[N_TEMPLATES - 1];
    }
    const struct chat_template *found = recognise(&text);
    if (found == NULL) {
        err_set(
            err, ERR_INPUT,
            "the model's chat template is none that this server knows, and it is never executed. "
            "Name one of %s when the server starts",
            chat_template_names());
    }
    return found;
}

/* ---- encoding ---- */

struct ids {
    int32_t *data;
    size_t n, cap;
};

struct encoder {
    const struct tokenizer *tokenizer;
    struct ids ids;
    struct text pending; /* plain text, not yet encoded: pieces side by side are one text */
    struct err *err;
};

static bool append(struct encoder *e, const char *data, size_t size, bool special, bool bos) {
    const struct tokenize_options o = {.parse_special = special, .add_bos = bos};
    size_t n = 0;
    int32_t *some = tokenizer_encode(e->tokenizer, data, size, &o, &n, e->err);
    if (some == NULL) return false;
    if (e->ids.n + n > e->ids.cap) {
        size_t cap = 2 * (e->ids.n + n) + 64;
        int32_t *moved = mem_realloc(e->ids.data, cap * sizeof *moved);
        if (moved == NULL) {
            mem_free(some);
            return err_set(e->err, ERR_ENVIRONMENT, "chat: not enough memory for the prompt");
        }
        e->ids.data = moved;
        e->ids.cap = cap;
    }
    memcpy(e->ids.data + e->ids.n, some, n * sizeof *some);
    e->ids.n += n;
    mem_free(some);
    return true;
}

static bool flush(struct encoder *e) {
    if (e->pending.failed)
        return err_set(e->err, ERR_ENVIRONMENT, "chat: not enough memory for the prompt");
    if (e->pending.size == 0) return true;
    bool good = append(e, e->pending.data, e->pending.size, false, false);
    text_clear(&e->pending);
    return good;
}

/* A piece of the template: control tokens where the vocabulary has them. */
static bool put_marker(struct encoder *e, const char *marker) {
    if (marker == NULL || *marker == '\0') return true;
    if (strpbrk(marker, "<|") == NULL) { /* no control token looks like that */
        text_puts(&e->pending, marker);
        return true;
    }
    return flush(e) && append(e, marker, strlen(marker), true, false);
}

static void put_content(struct encoder *e, const struct chat_template *chat, const char *content) {
    static const char blanks[] = " \t\r\n";
    size_t size = strlen(content);
    if (chat->trims) {
        size_t skip = strspn(content, blanks);
        content += skip;
        size -= skip;
        while (size > 0 && strchr(blanks, content[size - 1]) != NULL)
            size--;
    }
    text_put(&e->pending, content, size);
}

static bool put_message(struct encoder *e, const struct chat_template *chat,
                        const struct message *m, const char *system) {
    const bool is_user = strcmp(m->role, "user") == 0 || strcmp(m->role, "tool") == 0;
    const bool is_system = strcmp(m->role, "system") == 0 || strcmp(m->role, "developer") == 0;
    const char *before = is_system ? chat->before_system
                         : is_user ? chat->before_user
                                   : chat->before_assistant;
    const char *after = is_system ? chat->after_system
                        : is_user ? chat->after_user
                                  : chat->after_assistant;
    if (!put_marker(e, before)) return false;
    if (is_user && system != NULL) {
        if (!put_marker(e, chat->before_system)) return false;
        put_content(e, chat, system);
        if (!put_marker(e, chat->after_system != NULL ? chat->after_system : "\n\n")) return false;
    }
    put_content(e, chat, m->content);
    return put_marker(e, after);
}

int32_t *chat_encode(const struct chat_template *chat, const struct tokenizer *tokenizer,
                     const struct message *messages, int n_messages, size_t *n, struct err *err) {
    struct encoder e = {.tokenizer = tokenizer, .err = err};
    const char *system = NULL;
    bool good = append(&e, "", 0, false, true);
    for (int i = 0; i < n_messages && good; i++) {
        const bool is_system =
            strcmp(messages[i].role, "system") == 0 || strcmp(messages[i].role, "developer") == 0;
        if (is_system && chat->folds_system) {
            system = messages[i].content;
            continue;
        }
        good = put_message(&e, chat, &messages[i], system);
        if (strcmp(messages[i].role, "user") == 0) system = NULL;
    }
    good = good && put_marker(&e, chat->answer) && flush(&e);
    text_free(&e.pending);
    *n = e.ids.n;
    if (good) return e.ids.data;
    mem_free(e.ids.data);
    return NULL;
}
