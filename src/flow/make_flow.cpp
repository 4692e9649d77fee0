// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "core/option_names.hpp"
#include "flow/flow.hpp"
#include "flow/fused_flow.hpp"
#include "flow/process/process_flow.hpp"
#include "flow/threaded_flow.hpp"

namespace faceflow::flow {
namespace {

struct known_flow {
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

constexpr std::array<known_flow, 5> all_flows{{{flow_kind::fused, make_fused_flow, 1},
                                               {flow_kind::threaded, make_threaded_flow, 1},
                                               {flow_kind::shared, make_shared_flow, 4, false},
                                               {flow_kind::cached, make_cached_flow, 3},
                                               {flow_kind::copied, make_copied_flow, 4, false, false, false, true}}};
static_assert(all_flows.size() == option_names::flow.size());

constexpr const known_flow& facts_of(flow_kind kind) noexcept {
    return all_flows[static_cast<std::size_t>(kind)];
}
static_assert(std::all_of(all_flows.begin(), all_flows.end(),
                          [](const known_flow& f) { return facts_of(f.kind).kind == f.kind; }));

}  // namespace

std::size_t pools_of(flow_kind kind) noexcept {
    return facts_of(kind).pools;
}

bool converts_pixels(flow_kind kind) noexcept {
    return facts_of(kind).converts;
}

options effective_options(options o) noexcept {
    const known_flow& has = facts_of(o.flow);
    o.tuning.cache = o.tuning.cache && has.cache;
    o.tuning.batch = o.tuning.batch && has.batch;
    o.tuning.pinned = o.tuning.pinned && has.pinned;
    return o;
}

result<std::unique_ptr<flow>> make_flow(const flow_parts& parts) {
    return facts_of(parts.chosen.flow).make(parts);
}

}  // namespace faceflow::flow
