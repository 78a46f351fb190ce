/* scripted_behaviours.c - what servers do wrong, or unusually, byte by byte. */
#include "support/scripted_server.h"

#include <stdio.h>
#include <string.h>

#define PAUSE "\x1f"
#define STREAM "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
#define CHUNKED                                                                                    \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
#define HEAD(line, more) "HTTP/1.1 " line "\r\n" more "Connection: close\r\n\r\n"
#define CHOICE(inside) "{\"choices\":[{\"index\":0," inside "}]}"
#define TEXT(s) "data: " CHOICE("\"delta\":{\"content\":\"" s "\"},\"finish_reason\":null") "\n\n"
#define STOP "data: " CHOICE("\"delta\":{},\"finish_reason\":\"stop\"") "\n\n"
#define USAGE(prompt, made, all)                                                                   \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":" prompt ",\"completion_tokens\":" made     \
    ",\"total_tokens\":" all "}}\n\n"
#define DONE "data: [DONE]\n\n"
#define GOOD TEXT("a") TEXT("b") STOP USAGE("3", "2", "5") DONE

#define ROW(name, expected, script, ending) {name, expected, script, sizeof(script) - 1, ending}
#define CLOSES(name, expected, script) ROW(name, expected, script, END_CLOSE)

static const struct scripted_behaviour behaviours[] = {
    /* ---- right, but unusual ---- */
    CLOSES("plain", "ok", STREAM GOOD),
    CLOSES("slow_parts", "ok", STREAM PAUSE TEXT("a") PAUSE TEXT("b") PAUSE STOP PAUSE DONE),
    CLOSES("crlf", "ok", STREAM "data: " CHOICE("\"delta\":{\"content\":\"a\"}") "\r\n\r\n"
           "data: " CHOICE("\"delta\":{},\"finish_reason\":\"stop\"") "\r\n\r\ndata: [DONE]\r\n\r\n"),
    CLOSES("cr", "ok", STREAM "data: " CHOICE("\"delta\":{\"content\":\"a\"}") "\r\r"
           "data: " CHOICE("\"delta\":{},\"finish_reason\":\"stop\"") "\r\rdata: [DONE]\r\r"),
    CLOSES("split_crlf", "ok", STREAM "data: " CHOICE("\"delta\":{\"content\":\"a\"}") "\r" PAUSE
           "\n\r" PAUSE "\ndata: " CHOICE("\"delta\":{},\"finish_reason\":\"stop\"") "\r\n\r\n" DONE),
    CLOSES("bom", "ok", STREAM "\xEF\xBB\xBF" GOOD),
    CLOSES("comments", "ok", STREAM ": hello\n\n:\n" TEXT("a") ": keep-alive\n\n" STOP DONE),
    CLOSES("no_space", "ok", STREAM "data:" CHOICE("\"delta\":{\"content\":\"a\"}") "\n\n" STOP
           "data:[DONE]\n\n"),
    CLOSES("many_data_lines", "ok", STREAM "data: {\"choices\":[{\"index\":0,\ndata: \"delta\":"
           "{\"content\":\"a\"}}]\ndata: }\n\n" STOP DONE),
    CLOSES("named_events", "ok", STREAM "event: message\nid: 7\nretry: 10\n" TEXT("a") STOP DONE),
    CLOSES("unknown_fields", "ok", STREAM "colour: red\nnocolon\n" TEXT("a") STOP DONE),
    CLOSES("role_first", "ok", STREAM "data: " CHOICE("\"delta\":{\"role\":\"assistant\"}") "\n\n"
           GOOD),
    CLOSES("reasoning", "ok", STREAM "data: " CHOICE("\"delta\":{\"reasoning_content\":\"hm\"}")
           "\n\n" TEXT("a") STOP DONE),
    CLOSES("no_usage", "ok", STREAM TEXT("a") STOP DONE),
    CLOSES("null_usage", "ok", STREAM "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],"
           "\"usage\":null,\"error\":null}\n\n" STOP DONE),
    CLOSES("split_utf8", "ok", STREAM "data: " "{\"choices\":[{\"delta\":{\"content\":\"\xC3" PAUSE
           "\xA9\xF0\x9F" PAUSE "\x90\x91\"}}]}\n\n" STOP DONE),
    CLOSES("split_json", "ok", STREAM "da" PAUSE "ta: {\"cho" PAUSE "ices\":[{\"delta\":{\"cont"
           PAUSE "ent\":\"a\"}}]}" PAUSE "\n" PAUSE "\n" STOP DONE),
    CLOSES("escapes", "ok", STREAM TEXT("\\u00e9\\ud83d\\udc11\\n\\\"") STOP DONE),
    CLOSES("batched_tokens", "ok", STREAM TEXT("a b c d") STOP USAGE("3", "4", "7") DONE),
    CLOSES("completions", "ok", STREAM "data: {\"choices\":[{\"text\":\"a\",\"finish_reason\":"
           "null}]}\n\ndata: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}]}\n\n" DONE),
    CLOSES("odd_chunks", "ok", CHUNKED "1\r\nd\r\n2;name=value\r\nat\r\n4c\r\n"
           "a: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish"
           "_reason\":\"stop\"}],\"n\":1234}\n\n"
           "\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"),
    CLOSES("trailers", "ok", CHUNKED "4E\r\n" TEXT("a") "\r\n51\r\n" STOP DONE
           "\r\n0\r\nX-Trailer: 1\r\n\r\n"),
    CLOSES("continue_first", "ok", "HTTP/1.1 100 Continue\r\n\r\n" STREAM GOOD),
    CLOSES("early_hints", "ok", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" STREAM GOOD),
    CLOSES("http10", "ok", "HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" GOOD),
    CLOSES("charset", "ok", "HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream; charset=utf-8\r\n"
           "Connection: close\r\n\r\n" GOOD),
    CLOSES("identity", "ok", HEAD("200 OK", "Content-Type: text/event-stream\r\n"
           "Content-Encoding: identity\r\n") GOOD),
    CLOSES("strange_created", "ok", STREAM "data: {\"created\":-99999999999999,\"choices\":[{"
           "\"delta\":{\"content\":\"a\"}}]}\n\n" STOP DONE),
    /* ---- waits without end: C1 ---- */
    ROW("silent", "first_timeout", "", END_SILENCE),
    ROW("drips_head", "first_timeout", "HTTP/1.1 200 OK\r\nX-A: ", END_DRIP),
    ROW("head_without_end", "first_timeout", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n",
        END_SILENCE),
    ROW("silent_after_head", "gap_timeout", STREAM, END_SILENCE),
    ROW("silent_after_token", "gap_timeout", STREAM TEXT("a"), END_SILENCE),
    ROW("drips_event", "gap_timeout", STREAM TEXT("a") "data: ", END_DRIP),
    ROW("comments_after_token", "gap_timeout", STREAM TEXT("a") PAUSE ":\n\n", END_REPEAT),
    ROW("drips_before_token", "total_timeout", STREAM ": ", END_DRIP),
    ROW("comments_without_end", "total_timeout", STREAM PAUSE ": wait\n\n", END_REPEAT),
    ROW("roles_without_end", "total_timeout", STREAM PAUSE "data: " CHOICE("\"delta\":{\"role\":"
        "\"assistant\"}") "\n\n", END_REPEAT),
    ROW("silent_after_done", "gap_timeout", CHUNKED "22\r\n" "data: {\"choices\":[{\"delta\":{}}]}\n\n"
        "\r\n", END_SILENCE),
    ROW("silent_error_body", "gap_timeout", "HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\n{",
        END_SILENCE),
    /* ---- sizes: C1 ---- */
    ROW("tokens_without_end", "count", STREAM PAUSE TEXT("a"), END_REPEAT),
    ROW("long_head", "too_large", "HTTP/1.1 200 OK\r\n" PAUSE "X-Padding: 0123456789\r\n",
        END_REPEAT),
    ROW("long_head_line", "too_large", "HTTP/1.1 200 OK\r\nX-A: " PAUSE "0123456789abcdef",
        END_REPEAT),
    ROW("hints_without_end", "too_large", PAUSE "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        END_REPEAT),
    ROW("long_line", "too_large", STREAM "data: " PAUSE "0123456789abcdef", END_REPEAT),
    ROW("long_event", "too_large", STREAM PAUSE "data: 0123456789abcdef\n", END_REPEAT),
    ROW("long_comment", "too_large", STREAM ": " PAUSE "0123456789abcdef", END_REPEAT),
    ROW("long_error", "too_large", HEAD("500 No", "") PAUSE "0123456789abcdef", END_REPEAT),
    ROW("long_html", "too_large", HEAD("200 OK", "Content-Type: text/html\r\n") PAUSE "<p>",
        END_REPEAT),
    CLOSES("gzip", "encoded", HEAD("200 OK", "Content-Type: text/event-stream\r\n"
           "Content-Encoding: gzip\r\n") "\x1e\x8b\x08 bomb"),
    CLOSES("brotli", "encoded", HEAD("200 OK", "Content-Type: text/event-stream\r\n"
           "content-encoding: br\r\n") GOOD),
    /* ---- streams that are none: C2 ---- */
    CLOSES("no_done", "no_done", STREAM TEXT("a") STOP),
    CLOSES("no_finish", "no_finish", STREAM TEXT("a") DONE),
    CLOSES("nothing", "no_finish", STREAM),
    CLOSES("only_done", "no_finish", STREAM DONE),
    CLOSES("unfinished_event", "no_finish", STREAM TEXT("a") "data: " CHOICE("\"delta\":{},"
           "\"finish_reason\":\"stop\"")),
    CLOSES("done_without_blank", "no_done", STREAM TEXT("a") STOP "data: [DONE]"),
    CLOSES("done_in_capitals", "bad_event", STREAM TEXT("a") STOP "data: [done]\n\n"),
    CLOSES("empty_choices", "no_finish", STREAM "data: {\"choices\":[]}\n\n" DONE),
    CLOSES("no_tokens", "empty", STREAM STOP DONE),
    CLOSES("empty_deltas", "empty", STREAM TEXT("") TEXT("") STOP DONE),
    CLOSES("error_event", "error_event", STREAM TEXT("a") "data: {\"error\":{\"message\":\"out of "
           "memory\",\"type\":\"server_error\"}}\n\n" DONE),
    CLOSES("error_text", "error_event", STREAM "data: {\"error\":\"model crashed\"}\n\n" DONE),
    CLOSES("error_named", "error_event", STREAM TEXT("a") "event: error\ndata: {\"detail\":1}\n\n"),
    CLOSES("error_after_finish", "error_event", STREAM TEXT("a") STOP "data: {\"error\":{}}\n\n"
           DONE),
    CLOSES("text_after_finish", "after_done", STREAM TEXT("a") STOP TEXT("b") DONE),
    CLOSES("event_after_done", "after_done", STREAM GOOD TEXT("b")),
    CLOSES("two_streams", "after_done", STREAM GOOD GOOD),
    CLOSES("no_json", "bad_event", STREAM "data: hello\n\n" STOP DONE),
    CLOSES("half_json", "bad_event", STREAM "data: {\"choices\":[{\"delta\n\n" STOP DONE),
    CLOSES("json_array", "bad_event", STREAM "data: []\n\n" STOP DONE),
    CLOSES("two_objects", "bad_event", STREAM "data: {}{}\n\n" STOP DONE),
    CLOSES("bad_utf8", "bad_event", STREAM TEXT("\xC3(") STOP DONE),
    CLOSES("cut_utf8", "bad_event", STREAM TEXT("\xF0\x9F\x90") STOP DONE),
    CLOSES("overlong_utf8", "bad_event", STREAM TEXT("\xC0\x80") STOP DONE),
    CLOSES("lone_surrogate", "bad_event", STREAM TEXT("\\ud83d") STOP DONE),
    CLOSES("raw_control", "bad_event", STREAM TEXT("\x02") STOP DONE),
    CLOSES("nul", "bad_event", STREAM TEXT("\0") STOP DONE),
    CLOSES("deep", "bad_event", STREAM "data: {\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
           "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
           "}\n\n" STOP DONE),
    CLOSES("too_many_pieces", "count", STREAM TEXT("a") TEXT("b") TEXT("c") STOP
           USAGE("3", "2", "5") DONE),
    CLOSES("more_than_asked", "count", STREAM TEXT("a") STOP USAGE("3", "999", "1002") DONE),
    CLOSES("zero_usage", "count", STREAM TEXT("a") STOP USAGE("0", "0", "0") DONE),
    CLOSES("html", "not_stream", HEAD("200 OK", "Content-Type: text/html\r\n") "<html>login</html>"),
    CLOSES("json_answer", "not_stream", HEAD("200 OK", "Content-Type: application/json\r\n")
           "{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}"),
    CLOSES("no_type", "not_stream", HEAD("200 OK", "") GOOD),
    CLOSES("no_content", "not_stream", HEAD("204 No Content", "")),
    CLOSES("accepted", "not_stream", HEAD("202 Accepted", "Content-Type: text/event-stream\r\n")),
    /* ---- statuses: C3, C4 ---- */
    CLOSES("moved", "redirect", HEAD("302 Found", "Location: /plain/\r\n")),
    CLOSES("moved_elsewhere", "redirect", HEAD("307 There", "Location: http://192.0.2.1/\r\n")),
    CLOSES("moved_to_file", "redirect", HEAD("301 There", "Location: file:///etc/passwd\r\n")),
    CLOSES("not_modified", "redirect", HEAD("304 Not Modified", "")),
    CLOSES("bad_request", "client_error", HEAD("400 Bad", "") "{\"error\":{\"message\":\"no\"}}"),
    CLOSES("unauthorized", "client_error", HEAD("401 Who", "WWW-Authenticate: Bearer\r\n")),
    CLOSES("not_found", "client_error", HEAD("404 Nowhere", "")),
    CLOSES("conflict", "client_error", HEAD("409 Conflict", "")),
    CLOSES("rate_limit", "rate_limit", HEAD("429 Slow", "Retry-After: 1\r\n")),
    CLOSES("crash", "server_error", HEAD("500 Oh", "") "{\"error\":{\"message\":\"boom\"}}"),
    CLOSES("bad_gateway", "server_error", HEAD("502 Gateway", "") "<html>"),
    CLOSES("busy", "unavailable", HEAD("503 Busy", "Retry-After: 2\r\n")),
    CLOSES("strange_status", "server_error", HEAD("777 Lucky", "")),
    /* ---- broken HTTP: C4 ---- */
    CLOSES("closes", "truncated", ""),
    CLOSES("closes_in_head", "truncated", "HTTP/1.1 200 OK\r\nContent-Ty"),
    ROW("resets", "reset", "", END_RESET),
    ROW("resets_in_stream", "reset", STREAM TEXT("a") PAUSE, END_RESET),
    CLOSES("no_http", "bad_http", "SSH-2.0-OpenSSH_9\r\n"),
    CLOSES("http09", "bad_http", "<html>old</html>"),
    CLOSES("bad_version", "bad_http", "HTTP/7.7 200 OK\r\n\r\n"),
    CLOSES("bad_chunk_size", "bad_http", CHUNKED "zz\r\n" TEXT("a") "\r\n0\r\n\r\n"),
    CLOSES("huge_chunk_size", "bad_http", CHUNKED "fffffffffffffffffffff\r\n" GOOD),
    CLOSES("negative_chunk", "bad_http", CHUNKED "-5\r\n" GOOD),
    CLOSES("short_chunk", "truncated", CHUNKED "fff\r\n" TEXT("a")),
    CLOSES("no_last_chunk", "truncated", CHUNKED "e\r\ndata: [DONE]\n\n\r\n"),
    CLOSES("short_body", "truncated", HEAD("200 OK", "Content-Type: text/event-stream\r\n"
           "Content-Length: 100000\r\n") GOOD),
    CLOSES("extra_bytes", "no_finish", HEAD("200 OK", "Content-Type: text/event-stream\r\n"
           "Content-Length: 20\r\n") GOOD),
    CLOSES("bad_length", "bad_http", HEAD("200 OK", "Content-Type: text/event-stream\r\n"
           "Content-Length: -5\r\n") GOOD),
    CLOSES("bad_encoding", "bad_http", HEAD("200 OK", "Content-Type: text/event-stream\r\n"
           "Transfer-Encoding: gzip, chunked\r\n") GOOD),
    {NULL, NULL, NULL, 0, END_CLOSE},
};

const struct scripted_behaviour *scripted_behaviours(void) {
    return behaviours;
}
