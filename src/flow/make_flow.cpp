// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <string_view>

#include "flow/flow.hpp"
#include "flow/fused_flow.hpp"
#include "flow/option_table.hpp"
#include "flow/process/process_flow.hpp"
#include "flow/threaded_flow.hpp"

namespace faceflow::flow {
namespace {

struct known_flow {
    std::string_view name;
    flow_kind kind;
    result<std::unique_ptr<flow>> (*make)(const flow_parts& parts);
    std::size_t pools;                               // processes with a pool on the device
    bool cache = true, batch = true, pinned = true;  // that it has
    bool converts = false;                           // pixels
};

// As the analysis found it: everything through sockets, pageable memory, a face at a time, each stage uploading what it needs.
result<std::unique_ptr<flow>> make_copied_flow(const flow_parts& parts) {
    return make_inline_flow(parts, {.to_bgr = true, .region_apart = true});
}

// As the analysis recommends: detect and region around one frame cache, crops batched and pinned.
result<std::unique_ptr<flow>> make_cached_flow(const flow_parts& parts) {
    return make_inline_flow(parts, {.to_bgr = false, .region_apart = false});
}

constexpr std::array<known_flow, 5> all_flows{
    {{"fused", flow_kind::fused, make_fused_flow, 1},
     {"threaded", flow_kind::threaded, make_threaded_flow, 1},
     {"shared", flow_kind::shared, make_shared_flow, 4, false},
     {"cached", flow_kind::cached, make_cached_flow, 3},
     {"copied", flow_kind::copied, make_copied_flow, 4, false, false, false, true}}};

static_assert(std::equal(all_flows.begin(), all_flows.end(), option_words::flow.begin(), option_words::flow.end(),
                         [](const known_flow& f, std::string_view word) { return f.name == word; }));

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

flow_kind kind_of(std::string_view wanted) noexcept {
    const known_flow* const f = find_flow(wanted);
    return f != nullptr ? f->kind : flow_kind::fused;
}

bool converts_pixels(std::string_view wanted) noexcept {
    const known_flow* const f = find_flow(wanted);
    return f != nullptr && f->converts;
}

options effective_options(options o) noexcept {
    if (const known_flow* const f = find_flow(o.flow)) {
        o.tuning.cache = o.tuning.cache && f->cache;
        o.tuning.batch = o.tuning.batch && f->batch;
        o.tuning.pinned = o.tuning.pinned && f->pinned;
    }
    return o;
}

result<void> check_flow(std::string_view wanted) {
    return expect_word(row_of<&options::flow>().name, wanted, option_words::flow);
}

result<std::unique_ptr<flow>> make_flow(const flow_parts& parts) {
    if (auto r = check_flow(parts.chosen.flow); !r) return tl::unexpected(std::move(r.error()));
    return find_flow(parts.chosen.flow)->make(parts);
}

}  // namespace faceflow::flow
