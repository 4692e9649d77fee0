// SPDX-License-Identifier: Apache-2.0
#include "flow/multi_process/stage_protocol.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/printable.hpp"
#include "faceflow/version.h"

namespace faceflow::flow {
namespace {

using json = nlohmann::json;

// All fields, under their names: one that is added to options does not compile until it is here.
template <class Options, class Visit>
void visit_options(Options& o, Visit visit) {
    auto& [device, flow, pacing, detector, detect_width, detect_height, detect_fine_width, detect_fine_height,
           detect_every, max_faces, min_score, min_presence, smooth, focal_length, threads, device_memory, inference,
           precision, engines, cache, batch, pinned, graphs, cache_ttl, batch_frames, batch_deadline_ms, lanes,
           cache_bytes, link, verify_ledger, stage_restarts, stage_timeout, models] = o;
    visit("device", device);
    visit("flow", flow);
    visit("pacing", pacing);
    visit("detector", detector);
    visit("detect_width", detect_width);
    visit("detect_height", detect_height);
    visit("detect_fine_width", detect_fine_width);
    visit("detect_fine_height", detect_fine_height);
    visit("detect_every", detect_every);
    visit("max_faces", max_faces);
    visit("min_score", min_score);
    visit("min_presence", min_presence);
    visit("smooth", smooth);
    visit("focal_length", focal_length);
    visit("threads", threads);
    visit("device_memory", device_memory);
    visit("inference", inference);
    visit("precision", precision);
    visit("engines", engines);
    visit("cache", cache);
    visit("batch", batch);
    visit("pinned", pinned);
    visit("graphs", graphs);
    visit("cache_ttl", cache_ttl);
    visit("batch_frames", batch_frames);
    visit("batch_deadline_ms", batch_deadline_ms);
    visit("lanes", lanes);
    visit("cache_bytes", cache_bytes);
    visit("link", link);
    visit("verify_ledger", verify_ledger);
    visit("stage_restarts", stage_restarts);
    visit("stage_timeout", stage_timeout);
    visit("models", models);
}

// Whatever shapes the memory that processes share.
json layout_of_everything() {
    return {{"call", sizeof(stage_call)},
            {"reply", sizeof(stage_reply)},
            {"slice", sizeof(stage_slice)},
            {"detection", sizeof(vision::detection)},
            {"record", sizeof(vision::face_record)},
            {"mesh_batch", mesh_batch}};
}

std::uint64_t up_to_page(std::uint64_t bytes) {
    return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

}  // namespace

std::string_view name(stage_role role) noexcept {
    switch (role) {
        case stage_role::detect: return "detect";
        case stage_role::region: return "region";
        case stage_role::landmark: return "landmark";
        case stage_role::detect_region: return "detect-region";
    }
    return "unknown";
}

buffer_layout buffer_layout::of(const pass_shape& shape) {
    buffer_layout l;
    l.results = up_to_page(shape.set_bytes());
    l.crops = l.results + up_to_page(shape.results_bytes());
    l.bytes = l.crops + up_to_page(mesh_memory::crops_bytes(shape.mesh_faces, shape.crops));
    return l;
}

result<void> check(std::span<const vision::detection> faces) {
    constexpr float most = 1e6f;
    using numbers = std::array<float, sizeof(vision::detection) / sizeof(float)>;
    static_assert(std::is_trivially_copyable_v<vision::detection> && sizeof(numbers) == sizeof(vision::detection));
    for (std::size_t i = 0; i < faces.size(); ++i) {
        numbers all;
        std::memcpy(&all, &faces[i], sizeof all);
        const bool sound = std::all_of(all.begin(), all.end(), [](float x) { return x >= -most && x <= most; });
        if (!sound) return fail(errc::corrupt, fmt::format("face {} of a call lies nowhere near a picture", i));
    }
    return {};
}

std::string to_json(const stage_hello& hello) {
    json chosen = json::object();
    visit_options(hello.chosen, [&](const char* key, const auto& value) { chosen[key] = value; });
    return json{{"protocol", stage_protocol},   {"version", FACEFLOW_VERSION},        {"role", name(hello.role)},
                {"options", std::move(chosen)}, {"device_index", hello.device_index}, {"buffers", hello.buffers},
                {"tracing", hello.tracing},     {"layout", layout_of_everything()}}
        .dump();
}

result<stage_role> find_role(std::string_view wanted) {
    for (const auto role : {stage_role::detect, stage_role::region, stage_role::landmark, stage_role::detect_region}) {
        if (name(role) == wanted) return role;
    }
    return fail(errc::corrupt, fmt::format("there is no stage '{}'", printable(wanted)));
}

result<stage_hello> read_hello(std::string_view text) {
    try {
        const json j = json::parse(text);
        if (const auto theirs = j.at("protocol").get<std::uint32_t>(); theirs != stage_protocol) {
            return fail(errc::unsupported,
                        fmt::format("the other process speaks version {} of the stage protocol, this one version {}: "
                                    "install faceflow and faceflow-stage of one version",
                                    theirs, stage_protocol));
        }
        if (const auto theirs = j.at("version").get<std::string>(); theirs != FACEFLOW_VERSION) {
            return fail(errc::unsupported,
                        fmt::format("the other process is faceflow {}, this one {}: install faceflow "
                                    "and faceflow-stage of one version",
                                    printable(theirs), FACEFLOW_VERSION));
        }
        if (j.at("layout") != layout_of_everything()) {
            return fail(
                errc::unsupported,
                fmt::format("the other process lays out memory as {}, this one as {}: they are different builds",
                            printable(j.at("layout").dump()), layout_of_everything().dump()));
        }
        stage_hello hello;
        auto role = find_role(j.at("role").get<std::string>());
        if (!role) return tl::unexpected(std::move(role.error()));
        hello.role = *role;
        hello.device_index = j.at("device_index").get<int>();
        hello.buffers = j.at("buffers").get<std::uint32_t>();
        if (hello.buffers > max_in_flight)
            return fail(errc::corrupt,
                        fmt::format("{} buffers are more than the {} there may be", hello.buffers, max_in_flight));
        hello.tracing = j.at("tracing").get<bool>();
        const json& chosen = j.at("options");
        visit_options(hello.chosen, [&](const char* key, auto& value) { chosen.at(key).get_to(value); });
        return hello;
    } catch (const json::exception& e) {
        return fail(errc::corrupt, fmt::format("the other process's greeting makes no sense: {}", printable(e.what())));
    }
}

}  // namespace faceflow::flow
