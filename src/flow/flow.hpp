// SPDX-License-Identifier: Apache-2.0
// A flow connects the stages: host frames go in, faces come out in order within each source.
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

namespace faceflow::internal::flow {

class flow {
public:
    // Stops the flow: frames not yet begun are dropped.
    virtual ~flow() = default;

    // Accepts a frame. Recorded: blocks until there is room. Live: never blocks; a frame that a newer one displaces is
    // counted as dropped ("overtaken") and has no outcome. Any thread, but one thread per source. Returns how many
    // frames were displaced.
    virtual std::size_t submit(host_frame f) = 0;

    // Announces a source. Required before its first frame only when sources are merged. `load`: see load_of; 0 if
    // unknown.
    virtual void begin_source(std::uint32_t source, std::uint64_t load) = 0;
    // No more frames of this source will come.
    virtual void end_source(std::uint32_t source) = 0;

    // Blocks until the outcome of every accepted frame has been handled, including frames submitted meanwhile.
    virtual void drain() = 0;

    // The sum over all devices' frame caches.
    [[nodiscard]] virtual frame_cache_counts cache() const = 0;

    // An error once the flow cannot continue: a stage process keeps dying (errc::unavailable), or a device fails every
    // call of this process (errc::device_lost). Frames still get outcomes.
    [[nodiscard]] virtual result<void> health() const { return {}; }
    // Peak of the device pools of this flow's other processes.
    [[nodiscard]] virtual std::size_t peak_bytes_elsewhere() const { return 0; }
    // Leases that those processes hold for frames in work, as last reported. After drain, the report covers all work
    // done.
    [[nodiscard]] virtual std::size_t leases_elsewhere() const { return 0; }
    // With verify_ledger: the transfers that the devices of those processes counted themselves.
    [[nodiscard]] virtual transfer_totals transferred_elsewhere() const { return {}; }
};

struct flow_setup {
    std::span<const device_context> devices;
    source_routes& routes;  // maps sources to these devices; outlives the flow
    bool merged = false;    // recorded: outcomes of all sources in one order, by time, the same in every run
    const options& chosen;
    metrics& counters;
    outcome_handler handler;
    // takes a line for the user; called on any thread
    std::function<void(const std::string&)> note = [](const std::string&) {};
};

// The number of processes with a pool on the device; the memory cap is divided by it.
[[nodiscard]] std::size_t pools_of(flow_kind kind) noexcept;

// Whether crops are sent between processes, so that batching them changes transfers.
[[nodiscard]] bool moves_crops(flow_kind kind) noexcept;

// The transfers and memory of the flow `r.flow`.
[[nodiscard]] flow_plan plan_flow(const plan_request& r);

// Whether its stages see converted pixels: `copied` converts to 8-bit BGR.
[[nodiscard]] bool converts_pixels(flow_kind kind) noexcept;

// `o` with cache, batch and pinned switched off where the flow does not support them: `copied` supports none of them,
// `shared` no cache.
[[nodiscard]] options effective_options(options o) noexcept;

// Makes the flow that `options::flow` selects.
[[nodiscard]] result<std::unique_ptr<flow>> make_flow(const flow_setup& setup);

}  // namespace faceflow::internal::flow
