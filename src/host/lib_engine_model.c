/* lib_engine_model.c - class woolly.engine.Model. Checks and converts; computes nothing. */
#include "host/lib_engine.h"

#include "base/path.h"
#include "base/sha256.h"

#include <stdio.h>
#include <string.h>

#define MAX_SHOWN 200 /* bytes of a metadata string */

struct model_handle *engine_check_model(lua_State *L, int arg) {
    struct model_handle *handle = luaL_checkudata(L, arg, MODEL_CLASS);
    luaL_argcheck(L, handle->model != NULL, arg, "model is closed");
    return handle;
}

static struct model *check_open(lua_State *L, int arg) {
    return engine_check_model(L, arg)->model;
}

/* ---- what it is ---- */

/* model:info() -> table */
static int l_info(lua_State *L) {
    const struct model *model = check_open(L, 1);
    struct model_info info = model_info(model);
    const struct gguf *file = model_file(model);
    const struct tokenizer *tokenizer = model_tokenizer(model);
    lua_createtable(L, 0, 32);
    engine_set_string(L, "path", info.path);
    engine_set_string(L, "name", info.name);
    engine_set_string(L, "arch", info.arch);
    engine_set_string(L, "type", info.type_name);
    engine_set_integer(L, "file_bytes", (int64_t)info.file_bytes);
    engine_set_integer(L, "weight_bytes", (int64_t)info.weight_bytes);
    engine_set_integer(L, "bytes_per_token", (int64_t)model_bytes_per_token(model));
    engine_set_integer(L, "n_params", (int64_t)info.n_params);
    engine_set_integer(L, "n_layer", info.n_layer);
    engine_set_integer(L, "n_embd", info.n_embd);
    engine_set_integer(L, "n_head", info.n_head);
    engine_set_integer(L, "n_head_kv", info.n_head_kv);
    engine_set_integer(L, "head_dim", info.head_dim);
    engine_set_integer(L, "n_ff", info.n_ff);
    engine_set_integer(L, "n_vocab", info.n_vocab);
    engine_set_integer(L, "n_ctx_train", info.n_ctx_train);
    engine_set_boolean(L, "tied_embeddings", info.tied_embeddings);
    engine_set_string(L, "rope_scaling", info.rope_scaling);
    engine_set_number(L, "rope_freq_base", info.rope_freq_base);
    engine_set_number(L, "rms_eps", info.rms_eps);
    engine_set_string(L, "tokenizer", tokenizer_kind(tokenizer));
    engine_set_string(L, "pre", tokenizer_pre(tokenizer));
    int32_t bos = tokenizer_bos(tokenizer), eos = tokenizer_eos(tokenizer);
    if (bos != TOKEN_NONE) engine_set_integer(L, "bos", bos);
    if (eos != TOKEN_NONE) engine_set_integer(L, "eos", eos);
    engine_set_boolean(L, "adds_bos", tokenizer_adds_bos(tokenizer));
    engine_set_integer(L, "gguf_version", file->version);
    engine_set_boolean(L, "mapped", file->mapped);
    return 1;
}

/* At most MAX_SHOWN bytes, not cut inside a character. */
static void push_cut(lua_State *L, const struct gguf_string *text) {
    size_t size = (size_t)text->size;
    if (size > MAX_SHOWN) {
        size = MAX_SHOWN;
        while (size > MAX_SHOWN - 4 && ((unsigned char)text->data[size] & 0xC0) == 0x80) size--;
    }
    lua_pushlstring(L, text->data, size);
}

static void push_metadata_value(lua_State *L, const struct gguf_value *value) {
    switch (value->kind) {
    case GGUF_ARRAY:
        lua_pushfstring(L, "%s[%I]", gguf_kind_name(value->element), (LUAI_UACINT)value->count);
        break;
    case GGUF_STRING:
        push_cut(L, value->strings);
        break;
    case GGUF_BOOL:
        lua_pushboolean(L, value->data[0] != 0);
        break;
    case GGUF_F32:
    case GGUF_F64:
        lua_pushnumber(L, gguf_element_f64(value, 0));
        break;
    case GGUF_U64:
        /* Beyond int64 as a float: the sign must not change. */
        if (gguf_element_f64(value, 0) >= 0x1p63) {
            lua_pushnumber(L, gguf_element_f64(value, 0));
            break;
        } /* fall through */
    default:
        lua_pushinteger(L, gguf_element_i64(value, 0));
    }
}

/* model:metadata() -> list */
static int l_metadata(lua_State *L) {
    const struct gguf *file = model_file(check_open(L, 1));
    lua_createtable(L, (int)file->n_values, 0);
    for (size_t i = 0; i < file->n_values; i++) {
        const struct gguf_value *value = &file->values[i];
        lua_createtable(L, 0, 3);
        engine_set_string(L, "key", value->key);
        engine_set_string(L, "type", gguf_kind_name(value->kind));
        push_metadata_value(L, value);
        lua_setfield(L, -2, "value");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* model:tensors() -> list */
static int l_tensors(lua_State *L) {
    const struct gguf *file = model_file(check_open(L, 1));
    lua_createtable(L, (int)file->n_tensors, 0);
    for (size_t i = 0; i < file->n_tensors; i++) {
        const struct gguf_tensor *tensor = &file->tensors[i];
        lua_createtable(L, 0, 5);
        engine_set_string(L, "name", tensor->name);
        engine_set_string(L, "type", tensor_type_info(tensor->type)->name);
        lua_createtable(L, tensor->n_dims, 0);
        for (int d = 0; d < tensor->n_dims; d++) {
            lua_pushinteger(L, tensor->dims[d]);
            lua_rawseti(L, -2, d + 1);
        }
        lua_setfield(L, -2, "shape");
        engine_set_integer(L, "bytes", (int64_t)tensor->bytes);
        engine_set_integer(L, "offset", (int64_t)tensor->offset);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* ---- text ---- */

/* model:tokenize(text [, options]) -> ids | nil, message, code */
static int l_tokenize(lua_State *L) {
    static const struct opt_spec spec[] = {
        OPT_BOOL_AS("bos", tokenize_options, add_bos),
        OPT_BOOL_AS("special", tokenize_options, parse_special),
        OPT_END,
    };
    const struct model *model = check_open(L, 1);
    size_t size = 0, n = 0;
    const char *text = luaL_checklstring(L, 2, &size);
    struct tokenize_options options = {.add_bos = true};
    host_read_options(L, 3, spec, &options);
    int32_t **ids = host_adopt(L);
    struct err err;
    *ids = tokenizer_encode(model_tokenizer(model), text, size, &options, &n, &err);
    if (*ids == NULL) return host_push_fail(L, &err);
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        lua_pushinteger(L, (*ids)[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* model:detokenize(ids) -> text */
static int l_detokenize(lua_State *L) {
    const struct tokenizer *tokenizer = model_tokenizer(check_open(L, 1));
    int64_t n = 0;
    int32_t *ids = host_check_ids(L, 2, tokenizer_n_vocab(tokenizer), &n);
    if (ids == NULL) return host_fail_memory(L, "token ids", (uint64_t)n, sizeof *ids);
    size_t longest = 0;
    for (int64_t i = 0; i < n; i++) {
        size_t size = tokenizer_piece(tokenizer, ids[i], false, NULL, 0);
        if (size > longest) longest = size;
    }
    char *piece = host_block(L, longest, 1);
    if (piece == NULL) return host_fail_memory(L, "a token", longest, 1);
    struct utf8_join join = {.n_pending = 0};
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    for (int64_t i = 0; i < n; i++) {
        size_t size = tokenizer_piece(tokenizer, ids[i], false, piece, longest);
        size_t cap = 3 * (size + 4);
        luaL_addsize(&text, utf8_join_push(&join, piece, size, luaL_prepbuffsize(&text, cap), cap));
    }
    luaL_addsize(&text, utf8_join_finish(&join, luaL_prepbuffsize(&text, 12), 12));
    luaL_pushresult(&text);
    return 1;
}

/* ---- the file ---- */

/* model:check() -> true | nil, message, code */
static int l_check(lua_State *L) {
    struct err err;
    return host_push_result(L, model_check(check_open(L, 1), host_cancel(L), &err), &err);
}

/* model:unchanged() -> boolean */
static int l_unchanged(lua_State *L) {
    lua_pushboolean(L, gguf_unchanged(model_file(check_open(L, 1))));
    return 1;
}

/* The cache file of a model's digest holds two lines: the identity below, and the digest. Its name
 * is a hash of the path (FNV-1a), so another file under that path simply replaces it. */
struct digest_key {
    char file[4224];
    char identity[4608];
};

static bool digest_key(const struct gguf *model, struct digest_key *key) {
    char folder[4096];
    if (!path_cache_folder(folder, sizeof folder, NULL)) return false;
    size_t used = strlen(folder);
    snprintf(folder + used, sizeof folder - used, "/sha256");
    if (!path_make_folders(folder, NULL)) return false;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *c = model->path; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    }
    snprintf(key->file, sizeof key->file, "%s/%016llx", folder, (unsigned long long)hash);
    int n = snprintf(key->identity, sizeof key->identity, "%s %llu bytes, modified %lld, %llu:%llu\n",
                     model->path, (unsigned long long)model->size, (long long)model->mtime_ns,
                     (unsigned long long)model->device, (unsigned long long)model->inode);
    return n > 0 && (size_t)n < sizeof key->identity;
}

/* model:sha256() -> digest | nil, message, code */
static int l_sha256(lua_State *L) {
    const struct gguf *model = model_file(check_open(L, 1));
    char **kept = host_adopt(L);
    struct digest_key key;
    struct err err;
    size_t size = 0;
    bool has_key = digest_key(model, &key);
    size_t identity = has_key ? strlen(key.identity) : 0;
    if (!gguf_unchanged(model)) {
        return host_fail(L, ERR_INPUT, "%s: changed on disk since it was loaded. Load it again",
                         model->path);
    }
    if (has_key) *kept = path_read_file(key.file, sizeof key.identity + 65, &size, NULL);
    if (*kept != NULL && size == identity + 64 && memcmp(*kept, key.identity, identity) == 0) {
        lua_pushlstring(L, *kept + identity, 64);
        return 1;
    }
    char digest[65];
    if (!sha256_file(model->path, digest, &err)) return host_push_fail(L, &err);
    if (!gguf_unchanged(model)) {
        return host_fail(L, ERR_INPUT, "%s: changed while it was read. Load it again", model->path);
    }
    if (has_key) { /* a convenience: without it the next call computes again */
        char text[sizeof key.identity + 65];
        snprintf(text, sizeof text, "%s%s", key.identity, digest);
        path_write_file(key.file, text, strlen(text), NULL);
    }
    lua_pushstring(L, digest);
    return 1;
}

/* ---- its end ---- */

/* model:close() */
static int l_close(lua_State *L) {
    struct model_handle *handle = luaL_checkudata(L, 1, MODEL_CLASS);
    if (handle->n_contexts > 0) {
        return luaL_error(L, "model has %d open context%s; close contexts first",
                          handle->n_contexts, handle->n_contexts == 1 ? "" : "s");
    }
    model_free(handle->model);
    handle->model = NULL;
    return 0;
}

/* The collector may come here before a context's own finaliser: that one frees the model then. */
static int l_gc(lua_State *L) {
    struct model_handle *handle = luaL_checkudata(L, 1, MODEL_CLASS);
    if (handle->n_contexts > 0) {
        handle->is_collected = true;
        return 0;
    }
    return l_close(L);
}

void engine_context_closed(struct model_handle *handle) {
    if (--handle->n_contexts > 0 || !handle->is_collected) return;
    model_free(handle->model);
    handle->model = NULL;
}

void engine_open_model(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"info", l_info},
        {"metadata", l_metadata},
        {"tensors", l_tensors},
        {"tokenize", l_tokenize},
        {"detokenize", l_detokenize},
        {"context", engine_l_context},
        {"check", l_check},
        {"unchanged", l_unchanged},
        {"sha256", l_sha256},
        {"close", l_close},
        {NULL, NULL},
    };
    host_new_class(L, MODEL_CLASS, methods, l_close);
    luaL_getmetatable(L, MODEL_CLASS);
    lua_pushcfunction(L, l_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}
