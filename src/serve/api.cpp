// SPDX-License-Identifier: Apache-2.0
#include "serve/api.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/try.hpp"
#include "media/annotate.hpp"
#include "media/result_writer.hpp"
#include "serve/files.hpp"
#include "serve/metrics_text.hpp"
#include "serve/option_json.hpp"
#include "serve/runs.hpp"
#include "serve/statistics.hpp"

namespace faceflow::internal::serve {
namespace {

using json = nlohmann::ordered_json;
using namespace std::chrono_literals;

constexpr auto picture_patience = 20s;

int status_of(errc code) {
    constexpr int bad_request = 400, missing = 404, unprocessable = 422, internal = 500, unavailable = 503,
                  no_storage = 507;
    switch (code) {
        case errc::invalid_argument: return bad_request;
        case errc::not_found: return missing;
        case errc::corrupt:
        case errc::unsupported: return unprocessable;
        case errc::unavailable:
        case errc::timeout:
        case errc::out_of_memory:
        case errc::device_lost: return unavailable;
        case errc::io: return no_storage;
        default: return internal;
    }
}

http_response failed(const error& e) {
    return error_response(status_of(e.code), e.message);
}

http_response as_json(const json& value, int status = 200) {
    return {status, "application/json", value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n", {}};
}

http_response of_report(const result<source_report>& r, int status = 200) {
    return r ? as_json(to_json(*r), status) : failed(r.error());
}

http_response method_not_allowed(std::string allowed) {
    http_response r = error_response(405, "use " + allowed + " here");
    r.headers.emplace_back("Allow", std::move(allowed));
    return r;
}

// A body that must be an object whose members are those of `known`.
result<json> object_in(const std::string& body, std::initializer_list<std::string_view> known) {
    json value = json::parse(body, nullptr, false);
    if (!value.is_object()) return fail(errc::invalid_argument, "the body must be a JSON object");
    for (const auto& [key, member] : value.items()) {
        if (std::find(known.begin(), known.end(), key) == known.end())
            return fail(errc::invalid_argument, fmt::format("'{}' is no member of this object", key.substr(0, 64)));
    }
    return value;
}

template <class T>
result<T> member(const json& object, const char* key, T otherwise) {
    const auto at = object.find(key);
    if (at == object.end()) return otherwise;
    const bool fits = std::is_same_v<T, bool> ? at->is_boolean() : at->is_string();
    if (!fits)
        return fail(errc::invalid_argument,
                    fmt::format("'{}' must be {}", key, std::is_same_v<T, bool> ? "true or false" : "a text"));
    return at->template get<T>();
}

http_response list_sources(const service& of) {
    json all = json::array();
    for (const source_report& r : of.reports())
        all.push_back(to_json(r));
    return as_json({{"sources", std::move(all)}});
}

result<source_report> add_source(service& of, const std::string& body) {
    FACEFLOW_ASSIGN(const auto object, object_in(body, {"name", "input", "loop"}));
    source_request r;
    FACEFLOW_ASSIGN(r.name, member<std::string>(object, "name", ""));
    FACEFLOW_ASSIGN(r.input, member<std::string>(object, "input", ""));
    FACEFLOW_ASSIGN(r.loop, member<bool>(object, "loop", false));
    return of.add(std::move(r));
}

result<source_report> change_source(service& of, std::string name, const std::string& body) {
    FACEFLOW_ASSIGN(const auto object, object_in(body, {"name", "paused", "recording"}));
    FACEFLOW_ASSIGN(const auto to, member<std::string>(object, "name", name));
    FACEFLOW_ASSIGN(const auto paused, member<bool>(object, "paused", false));
    FACEFLOW_ASSIGN(const auto recorded, member<bool>(object, "recording", false));
    if (to != name) {
        FACEFLOW_ASSIGN(const auto renamed, of.rename(name, to));
        name = renamed.source.name;
    }
    if (object.contains("paused")) FACEFLOW_TRY(of.pause(name, paused));
    if (object.contains("recording")) FACEFLOW_TRY(of.record(name, recorded));
    return of.report(name);
}

http_response add_marker(service& of, const std::string& name, const std::string& body) {
    const auto made = [&]() -> result<served_marker> {
        FACEFLOW_ASSIGN(const auto object, object_in(body, {"text"}));
        FACEFLOW_ASSIGN(auto text, member<std::string>(object, "text", ""));
        return of.mark(name, std::move(text));
    }();
    if (!made) return failed(made.error());
    return as_json({{"text", made->what.text}, {"pts_ns", made->what.pts_ns}, {"sequence", made->sequence}}, 201);
}

http_response change_options(service& of, const std::string& body) {
    const auto changed = [&]() -> result<void> {
        const json values = json::parse(body, nullptr, false);
        if (!values.is_object()) return fail(errc::invalid_argument, "the body must be a JSON object");
        options chosen = of.chosen();
        FACEFLOW_TRY(set_options(values, chosen));
        return of.change(chosen);
    }();
    return changed ? as_json(options_json(of.chosen())) : failed(changed.error());
}

http_response list_of_runs(const service& of) {
    json all = json::array();
    for (const run_folder& r : list_runs(of.recordings())) {
        json files = json::array();
        for (const run_file& f : r.files)
            files.push_back({{"name", f.name}, {"bytes", f.bytes}});
        all.push_back({{"name", r.name},
                       {"source", r.source},
                       {"started", r.started},
                       {"seconds", r.seconds},
                       {"frames", r.frames},
                       {"open", r.open},
                       {"files", std::move(files)}});
    }
    return as_json({{"runs", std::move(all)}});
}

// "RUN/FILE", or the part of it that the client asks for.
http_response file_of_run(const service& of, std::string_view rest, const std::string& range) {
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos) return error_response(404, "there is nothing here");
    auto opened = open_run_file(of.recordings(), rest.substr(0, slash), rest.substr(slash + 1));
    if (!opened) return failed(opened.error());
    http_response r{200, std::move(opened->type), "", {{"Accept-Ranges", "bytes"}}};
    byte_range part{0, opened->bytes};
    if (const auto wanted = parse_range(range, opened->bytes)) {
        part = *wanted;
        r.status = part.length > 0 ? 206 : 416;
        r.headers.emplace_back(
            "Content-Range",
            part.length > 0 ? fmt::format("bytes {}-{}/{}", part.offset, part.offset + part.length - 1, opened->bytes)
                            : fmt::format("bytes */{}", opened->bytes));
    }
    if (r.status == 416) r.type.clear();
    if (part.length > 0)
        r.file = std::make_shared<file_part>(file_part{std::move(opened->file), part.offset, part.length});
    return r;
}

http_response newest_row(const service& of, const std::string& name) {
    const auto newest = of.newest(name);
    if (!newest) return failed(newest.error());
    if (*newest == nullptr) return error_response(404, "the source has no frame yet");
    return {200, "application/json", *(*newest)->row + "\n", {}};
}

http_response snapshot(const service& of, const std::string& name, bool overlay) {
    const auto newest = of.newest(name);
    if (!newest) return failed(newest.error());
    if (*newest == nullptr) return error_response(404, "the source has no frame yet");
    const served_frame& f = **newest;
    if (f.frame.picture.planes[0].data == nullptr)
        return error_response(503, "the source's pictures are on a device alone");
    const auto drawn = media::annotate(f.frame.picture, overlay ? f.faces : frame_faces{});
    if (!drawn) return failed(drawn.error());
    const auto packet = media::encode_picture(*drawn, false);
    if (!packet) return failed(packet.error());
    return {200,
            "image/jpeg",
            std::string(reinterpret_cast<const char*>((*packet)->data), static_cast<std::size_t>((*packet)->size)),
            {}};
}

http_response faces_of_picture(service& of, const std::string& content) {
    if (content.empty()) return error_response(400, "the body must be a picture's file");
    const auto faces = of.faces_of(content, picture_patience);
    if (!faces) return failed(faces.error());
    return {200, "application/json", media::ndjson_row(*faces, "", of.contents()), {}};
}

http_response of_file(const served_file& file) {
    std::string type(file.type);
    if (type.starts_with("text/")) type += "; charset=utf-8";
    return {200, std::move(type), std::string(file.content), {}};
}

http_response health(const service& of) {
    const auto state = of.health();
    if (!state) return as_json({{"status", "failed"}, {"message", state.error().message}}, 503);
    return as_json({{"status", "ok"}});
}

// "/v1/sources/NAME" or "/v1/sources/NAME/WHAT".
http_response of_source(service& of, const http_request& r, std::string_view rest) {
    const std::size_t slash = rest.find('/');
    const std::string name(rest.substr(0, slash));
    const std::string_view what = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
    if (what == "faces") return r.method == "GET" ? newest_row(of, name) : method_not_allowed("GET");
    if (what == "snapshot.jpg") {
        const auto overlay = r.query.find("overlay");
        return r.method == "GET" ? snapshot(of, name, overlay != r.query.end() && overlay->second != "0")
                                 : method_not_allowed("GET");
    }
    if (what == "markers") return r.method == "POST" ? add_marker(of, name, r.body) : method_not_allowed("POST");
    if (!what.empty()) return error_response(404, "there is nothing here");
    if (r.method == "GET") return of_report(of.report(name));
    if (r.method == "PATCH") return of_report(change_source(of, name, r.body));
    if (r.method != "DELETE") return method_not_allowed("GET, PATCH, DELETE");
    const auto removed = of.remove(name);
    return removed ? http_response{204, "", "", {}} : failed(removed.error());
}

}  // namespace

http_response error_response(int status, std::string_view message) {
    return as_json({{"error", {{"status", status}, {"message", message}}}}, status);
}

http_response answer(service& of, const http_request& r) {
    constexpr std::string_view sources = "/v1/sources";
    const auto get = [&](auto make) { return r.method == "GET" ? make() : method_not_allowed("GET"); };
    if (r.path == sources) {
        if (r.method == "POST") return of_report(add_source(of, r.body), 201);
        return r.method == "GET" ? list_sources(of) : method_not_allowed("GET, POST");
    }
    if (r.path.starts_with(sources) && r.path.size() > sources.size() + 1 && r.path[sources.size()] == '/')
        return of_source(of, r, std::string_view(r.path).substr(sources.size() + 1));
    if (r.path == "/v1/faces") {
        if (r.method == "POST") return faces_of_picture(of, r.body);
        return error_response(426, "this is a WebSocket, or takes a picture by POST");
    }
    if (r.path == "/v1/options") {
        if (r.method == "PATCH") return change_options(of, r.body);
        return r.method == "GET" ? as_json(options_json(of.chosen())) : method_not_allowed("GET, PATCH");
    }
    if (r.path == "/v1/runs") return get([&] { return list_of_runs(of); });
    if (constexpr std::string_view runs = "/v1/runs/"; r.path.starts_with(runs))
        return get([&] { return file_of_run(of, std::string_view(r.path).substr(runs.size()), r.range); });
    if (r.path == "/v1/statistics") return get([&] { return as_json(statistics(of)); });
    if (r.path == "/v1/health" || r.path == "/v1/ready") return get([&] { return health(of); });
    if (r.path == "/metrics")
        return get([&] {
            return http_response{200, "text/plain; version=0.0.4; charset=utf-8", metrics_text(of), {}};
        });
    if (const served_file* const file = find_file(r.path)) return get([&] { return of_file(*file); });
    return error_response(404, "there is nothing here");
}

}  // namespace faceflow::internal::serve
