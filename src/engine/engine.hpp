// SPDX-License-Identifier: Apache-2.0
// The engine behind the public API and the command line: devices, models, a flow, and a tracker per source.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "device/device.hpp"
#include "device/ledger_check.hpp"
#include "engine/detect_size.hpp"
#include "faceflow/options.hpp"
#include "faceflow/result.hpp"
#include "flow/flow.hpp"
#include "frame/host_frame.hpp"
#include "frame/sequence_filter.hpp"
#include "inference/session.hpp"
#include "telemetry/metrics.hpp"
#include "vision/one_euro.hpp"
#include "vision/tracker.hpp"

namespace faceflow {

// What an engine computes with. Who needs the devices before the engine is there, such as a source that decodes on one, makes
// it first and keeps it for as long.
struct runtime_context {
    std::vector<std::unique_ptr<device>> devices;  // one at least
    std::vector<std::string> notes;                // why `auto` is not what one might expect
    // Of sources to these devices; null: the engine makes its own.
    std::unique_ptr<flow::source_routes> routes = nullptr;

    // Opens what the options name. Errors of open_devices; errc::unavailable, before a device is opened, when it is ONNX Runtime that is
    // to run the models and there is none; errc::invalid_argument when what is to run them is not for such a device.
    [[nodiscard]] static result<std::shared_ptr<runtime_context>> open(const options& o);
};

class face_engine {
public:
    // On the flow's thread, in order within a source, faces tracked.
    using handler = std::function<void(const host_frame&, result<frame_faces>)>;

    struct setup {
        options chosen;
        handler on_result;
        bool merge_sources = false;  // recorded: results of all sources in one order, the same in every run
        trace* tracing = nullptr;    // draws stages and transfers, when given; outlives the engine
        std::function<void(const std::string&)> note =
            {};                                           // lines for the user, such as of a process that was restarted
        std::shared_ptr<runtime_context> with = nullptr;  // opened for these options; null: the engine opens its own
        std::size_t sources = 0;                          // that are to come; 0: unknown. More or fewer may come
        std::vector<frame_shape> shapes = {};             // of their frames, as far as they are known
    };

    [[nodiscard]] static result<std::unique_ptr<face_engine>> create(setup s);
    ~face_engine();
    face_engine(const face_engine&) = delete;

    // See flow::flow. A picture that cannot be read safely is refused, and every one once the flow cannot go on (health). Sequences
    // of a source only grow, since frames are found again by them: errc::invalid_argument for one that came before.
    [[nodiscard]] result<std::size_t> submit(host_frame f);
    [[nodiscard]] result<void> health() const { return flow_->health(); }
    // `load`: see flow::load_of; 0 where not known: that of the first frame. A source that the runtime context's routes know stays there.
    void begin_source(std::uint32_t source, std::uint64_t load = 0) { flow_->begin_source(source, load); }
    void end_source(std::uint32_t source) { flow_->end_source(source); }
    void flush() { flow_->flush(); }
    void drain() { flow_->drain(); }

    [[nodiscard]] const options& chosen() const noexcept { return setup_.chosen; }
    [[nodiscard]] metrics& counters() noexcept { return metrics_; }
    [[nodiscard]] const std::vector<std::unique_ptr<device>>& devices() const noexcept { return with_->devices; }
    [[nodiscard]] const flow::model_set& models() const noexcept { return device_contexts_.front().models; }
    // What a person should know of how it runs, a sentence each: a GPU that is there and not used, and why.
    [[nodiscard]] const std::vector<std::string>& notes() const noexcept { return notes_; }
    // Of TensorRT's engines that this process runs; empty without.
    [[nodiscard]] std::vector<std::filesystem::path> engine_folders() const { return models().engine_folders(); }
    // Of all devices and processes together.
    [[nodiscard]] std::size_t peak_device_bytes() const;
    // See flow::flow.
    [[nodiscard]] std::size_t leases_elsewhere() const { return flow_->leases_elsewhere(); }
    // Sequences that sources left out: frames that they lost before they came here.
    [[nodiscard]] std::uint64_t missing() const;
    // Of all devices together.
    [[nodiscard]] frame_cache_counts cache() const { return flow_->cache(); }
    // With options::verify_ledger, after drain: the ledgers of all devices and processes beside what those counted themselves.
    // nullopt without the option, and where nothing crosses.
    [[nodiscard]] std::optional<ledger_check> check_ledger() const;

private:
    struct per_source {
        vision::tracker tracks;
        vision::landmark_smoother smoother;
    };

    explicit face_engine(setup s) : setup_(std::move(s)) {}
    [[nodiscard]] result<void> load_models();
    [[nodiscard]] result<void> start_counters();
    void handle(flow::outcome&& o);
    void count_failure(const error& e);
    [[nodiscard]] result<void> admit(const frame_id& id);

    setup setup_;
    metrics metrics_;
    std::vector<std::string> notes_;
    mutable std::mutex gates_mutex_;
    std::map<std::uint32_t, sequence_filter> gates_;  // by source
    std::shared_ptr<runtime_context> with_;
    std::vector<flow::device_context> device_contexts_;
    std::vector<std::unique_ptr<transfer_counter>> counters_;  // of the devices that have one
    transfer_totals booked_before_;                // in their ledgers, when the transfer counters were called
    std::map<std::uint32_t, per_source> sources_;  // touched by the flow's handler thread alone
    std::unique_ptr<flow::flow> flow_;             // last: its threads use all of the above
};

// Refuses values outside their ranges, naming the option, and those that do not go together.
[[nodiscard]] result<void> check(const options& o);

// Sets what `o.tuning` leaves open of lanes and batch_frames, for so many sources (0: unknown) on each of `devices`. On a
// GPU: two lanes, so that one is filled while the other computes, with the largest passes; live, where a source stays with
// its lane, one for 48 sources, and no more of both than the sources fill. On a host a lane for each of o.threads; live, no
// more than sources, and with ONNX Runtime one, which is spread over all of them.
void share_work(options& o, bool on_host, std::size_t devices, std::size_t sources);

}  // namespace faceflow
