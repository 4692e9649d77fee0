// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "core/option_names.hpp"
#include "flow/flow.hpp"
#include "flow/in_process/fused_flow.hpp"
#include "flow/in_process/in_process_plan.hpp"
#include "flow/in_process/threaded_flow.hpp"
#include "flow/multi_process/multi_process_plan.hpp"
#include "flow/multi_process/process_flow.hpp"

namespace faceflow::internal::flow {
namespace {

struct known_flow {
    flow_kind kind;
    result<std::unique_ptr<flow>> (*make)(const flow_setup& setup);
    flow_plan (*plan)(const plan_request& r);
    std::size_t pools;                               // processes with a pool on the device
    bool cache = true, batch = true, pinned = true;  // features it supports
    bool moves_crops = false;                        // sends crops between processes
    bool converts = false;                           // converts pixels
};

// The flow as the analysis found it: everything through sockets, pageable memory, one face at a time, each stage
// uploading what it needs.
result<std::unique_ptr<flow>> make_copied_flow(const flow_setup& setup) {
    return make_message_flow(setup, {.to_bgr = true, .region_apart = true});
}

// The flow that the analysis recommends: detect and region share a frame cache, crops are batched and pinned.
result<std::unique_ptr<flow>> make_cached_flow(const flow_setup& setup) {
    return make_message_flow(setup, {.to_bgr = false, .region_apart = false});
}

constexpr std::array<known_flow, 5> all_flows{
    {{.kind = flow_kind::fused, .make = make_fused_flow, .plan = plan_fused, .pools = 1},
     {.kind = flow_kind::threaded, .make = make_threaded_flow, .plan = plan_threaded, .pools = 1},
     {.kind = flow_kind::shared, .make = make_shared_flow, .plan = plan_shared, .pools = 4, .cache = false},
     {.kind = flow_kind::cached, .make = make_cached_flow, .plan = plan_cached, .pools = 3, .moves_crops = true},
     {.kind = flow_kind::copied,
      .make = make_copied_flow,
      .plan = plan_copied,
      .pools = 4,
      .cache = false,
      .batch = false,
      .pinned = false,
      .moves_crops = true,
      .converts = true}}};
static_assert(all_flows.size() == option_names::flow.size());

constexpr const known_flow& entry_of(flow_kind kind) noexcept {
    return all_flows[static_cast<std::size_t>(kind)];
}
static_assert(std::all_of(all_flows.begin(), all_flows.end(),
                          [](const known_flow& f) { return entry_of(f.kind).kind == f.kind; }));

}  // namespace

std::size_t pools_of(flow_kind kind) noexcept {
    return entry_of(kind).pools;
}

bool moves_crops(flow_kind kind) noexcept {
    return entry_of(kind).moves_crops;
}

flow_plan plan_flow(const plan_request& r) {
    return entry_of(r.flow).plan(r);
}

bool converts_pixels(flow_kind kind) noexcept {
    return entry_of(kind).converts;
}

options effective_options(options o) noexcept {
    const known_flow& has = entry_of(o.flow);
    o.tuning.cache = o.tuning.cache && has.cache;
    o.tuning.batch = o.tuning.batch && has.batch;
    o.tuning.pinned = o.tuning.pinned && has.pinned;
    return o;
}

result<std::unique_ptr<flow>> make_flow(const flow_setup& setup) {
    return entry_of(setup.chosen.flow).make(setup);
}

}  // namespace faceflow::internal::flow
