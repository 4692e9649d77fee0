// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "core/nearest.hpp"
#include "core/try.hpp"
#include "flow/flow.hpp"
#include "flow/in_process/fused_flow.hpp"
#include "flow/in_process/in_process_plan.hpp"
#include "flow/in_process/threaded_flow.hpp"
#include "flow/multi_process/multi_process_plan.hpp"
#include "flow/multi_process/process_flow.hpp"

namespace faceflow::flow {
namespace {

struct known_flow {
    std::string_view name;
    result<std::unique_ptr<flow>> (*make)(const flow_setup& setup);
    flow_plan (*plan)(const plan_request& r);
    std::size_t pools;                               // processes with a pool on the device
    bool cache = true, batch = true, pinned = true;  // that it has
    bool moves_crops = false;                        // from process to process
    bool converts = false;                           // pixels
};

// As the analysis found it: everything through sockets, pageable memory, a face at a time, each stage uploading what it needs.
result<std::unique_ptr<flow>> make_copied_flow(const flow_setup& setup) {
    return make_message_flow(setup, {.to_bgr = true, .region_apart = true});
}

// As the analysis recommends: detect and region around one frame cache, crops batched and pinned.
result<std::unique_ptr<flow>> make_cached_flow(const flow_setup& setup) {
    return make_message_flow(setup, {.to_bgr = false, .region_apart = false});
}

constexpr std::array<known_flow, 5> all_flows{
    {{.name = "fused", .make = make_fused_flow, .plan = plan_fused, .pools = 1},
     {.name = "threaded", .make = make_threaded_flow, .plan = plan_threaded, .pools = 1},
     {.name = "shared", .make = make_shared_flow, .plan = plan_shared, .pools = 4, .cache = false},
     {.name = "cached", .make = make_cached_flow, .plan = plan_cached, .pools = 3, .moves_crops = true},
     {.name = "copied",
      .make = make_copied_flow,
      .plan = plan_copied,
      .pools = 4,
      .cache = false,
      .batch = false,
      .pinned = false,
      .moves_crops = true,
      .converts = true}}};

const known_flow* find_flow(std::string_view wanted) noexcept {
    const auto* const at =
        std::find_if(all_flows.begin(), all_flows.end(), [&](const known_flow& f) { return f.name == wanted; });
    return at != all_flows.end() ? at : nullptr;
}

}  // namespace

std::vector<std::string> flow_names() {
    std::vector<std::string> names;
    names.reserve(all_flows.size());
    for (const auto& f : all_flows)
        names.emplace_back(f.name);
    return names;
}

std::size_t pools_of(std::string_view wanted) noexcept {
    const known_flow* const f = find_flow(wanted);
    return f != nullptr ? f->pools : 1;
}

bool moves_crops(std::string_view wanted) noexcept {
    const known_flow* const f = find_flow(wanted);
    return f != nullptr && f->moves_crops;
}

flow_plan plan_flow(const plan_request& r) {
    const known_flow* const f = find_flow(r.flow);
    return f != nullptr ? f->plan(r) : flow_plan{};
}

bool converts_pixels(std::string_view wanted) noexcept {
    const known_flow* const f = find_flow(wanted);
    return f != nullptr && f->converts;
}

options effective_options(options o) noexcept {
    if (const known_flow* const f = find_flow(o.flow)) {
        o.cache = o.cache && f->cache;
        o.batch = o.batch && f->batch;
        o.pinned = o.pinned && f->pinned;
    }
    return o;
}

result<void> check_flow(std::string_view wanted) {
    if (find_flow(wanted) != nullptr) return {};
    const auto known = flow_names();
    const auto near = nearest(wanted, known);
    return fail(errc::invalid_argument,
                fmt::format("unknown flow '{}'{}; there are: {}", wanted,
                            near.empty() ? "" : fmt::format("; did you mean {}?", near), fmt::join(known, ", ")));
}

result<std::unique_ptr<flow>> make_flow(const flow_setup& setup) {
    FACEFLOW_TRY(check_flow(setup.chosen.flow));
    return find_flow(setup.chosen.flow)->make(setup);
}

}  // namespace faceflow::flow
