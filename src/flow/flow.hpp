// SPDX-License-Identifier: Apache-2.0
// A way of joining the stages. Host frames go in, faces come out in order within each source.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "device/transfer_counter.hpp"
#include "faceflow/options.hpp"
#include "faceflow/result.hpp"
#include "faceflow/types.hpp"
#include "flow/flow_plan.hpp"
#include "flow/io/outcome.hpp"
#include "flow/io/source_routes.hpp"
#include "flow/stages/device_context.hpp"
#include "frame/frame_cache.hpp"
#include "frame/host_frame.hpp"
#include "telemetry/metrics.hpp"

namespace faceflow::flow {

class flow {
public:
    // Stops: frames not yet begun are dropped.
    virtual ~flow() = default;

    // Takes a frame on. Recorded: waits for room. Live: never waits; a frame that is pushed out by a newer one is counted as
    // dropped ("overtaken") and has no outcome. Any thread, but one per source. Returns how many were pushed out.
    virtual std::size_t submit(host_frame f) = 0;

    // Frames of this source are going to come. Needed before the first only when sources are merged. `load`: see load_of; 0 where not
    // known.
    virtual void begin_source(std::uint32_t source, std::uint64_t load) = 0;
    // No more frames of this source will come.
    virtual void end_source(std::uint32_t source) = 0;

    // Somebody wants faces now: where nothing is in work, recorded frames that wait for others to travel with go as they are.
    virtual void flush() = 0;
    // Waits until no frame that was taken on is without its outcome handled: those of submits beside it, too.
    virtual void drain() = 0;

    // Of all devices' frame caches together.
    [[nodiscard]] virtual frame_cache_counts cache() const = 0;

    // An error once the flow cannot go on: a stage process dies again and again (errc::unavailable), a device of this process
    // fails every call (errc::device_lost). Frames still get outcomes.
    [[nodiscard]] virtual result<void> health() const { return {}; }
    // Peak of the device pools of other processes that work for this flow.
    [[nodiscard]] virtual std::size_t peak_bytes_elsewhere() const { return 0; }
    // Leases that those processes hold for frames in work, as they last told. After drain, of all that was done.
    [[nodiscard]] virtual std::size_t leases_elsewhere() const { return 0; }
    // With verify_ledger: what the devices of those processes counted themselves.
    [[nodiscard]] virtual transfer_totals transferred_elsewhere() const { return {}; }
};

struct flow_setup {
    std::span<const device_context> devices;
    source_routes& routes;  // of sources to these devices; outlives the flow
    bool merged = false;    // recorded: outcomes of all sources in one order, by time, the same in every run
    const options& chosen;
    metrics& counters;
    outcome_handler handler;
    std::function<void(const std::string&)> note = [](const std::string&) {};  // a line for the user; any thread
};

// Processes that each have a pool on the device: the cap is divided by it.
[[nodiscard]] std::size_t pools_of(flow_kind kind) noexcept;

// Whether crops go from process to process, so that batching them changes transfers.
[[nodiscard]] bool moves_crops(flow_kind kind) noexcept;

// What the flow `r.flow` moves and holds.
[[nodiscard]] flow_plan plan_flow(const plan_request& r);

// Whether its stages see other pixels than those that came: `copied` goes through 8-bit BGR.
[[nodiscard]] bool converts_pixels(flow_kind kind) noexcept;

// `o` with those of cache, batch and pinned off that its flow has not: `copied` has none of them, `shared` no cache.
[[nodiscard]] options effective_options(options o) noexcept;

// The flow that `options::flow` names.
[[nodiscard]] result<std::unique_ptr<flow>> make_flow(const flow_setup& setup);

}  // namespace faceflow::flow
