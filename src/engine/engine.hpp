// SPDX-License-Identifier: Apache-2.0
// The engine behind the public API, the command line and the service: devices, models, a flow, and one tracker per
// source.
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
#include "vision/measurer.hpp"
#include "vision/one_euro.hpp"
#include "vision/tracker.hpp"

namespace faceflow::internal {

// The devices of an engine. Code that needs the devices before the engine exists, such as a source that decodes on one,
// opens this first and keeps it as long as it uses them.
struct runtime_context {
    std::vector<std::unique_ptr<device>> devices;  // at least one
    std::vector<std::string> notes;                // surprising choices for `auto`, with reasons
    // maps sources to these devices; null: the engine makes its own
    std::unique_ptr<flow::source_routes> routes = nullptr;

    // Opens the devices that the options name. Errors of open_devices; errc::unavailable, before any device is opened,
    // if the models need ONNX Runtime and it is missing; errc::invalid_argument if the inference engine does not
    // support the device.
    [[nodiscard]] static result<std::shared_ptr<runtime_context>> open(const options& o);
};

class face_engine {
public:
    // Called on the flow's thread, in order within a source, with faces tracked.
    using handler = std::function<void(const host_frame&, result<frame_faces>)>;

    struct setup {
        options chosen;
        handler on_result;
        bool merge_sources = false;  // recorded: results of all sources in one order, the same in every run
        trace* tracing = nullptr;    // if given, draws stages and transfers; outlives the engine
        std::function<void(const std::string&)> note =
            {};                                           // takes lines for the user, such as about a restarted process
        std::shared_ptr<runtime_context> with = nullptr;  // opened for these options; null: the engine opens its own
        // number of expected sources; 0: unknown. More or fewer may come
        std::size_t sources = 0;
        std::vector<frame_shape> shapes = {};  // of their frames, as far as known
    };

    [[nodiscard]] static result<std::unique_ptr<face_engine>> create(setup s);
    ~face_engine();
    face_engine(const face_engine&) = delete;

    // See flow::flow::submit. Refuses pictures that cannot be read safely, and every frame once the flow cannot
    // continue (health). Sequences of a source must grow, since frames are found by them: errc::invalid_argument
    // otherwise.
    [[nodiscard]] result<std::size_t> submit(host_frame f);
    [[nodiscard]] result<void> health() const { return flow_->health(); }
    // `load`: see flow::load_of; 0 if unknown: then that of the first frame. A source already in the runtime context's
    // routes keeps its route.
    void begin_source(std::uint32_t source, std::uint64_t load = 0) { flow_->begin_source(source, load); }
    void end_source(std::uint32_t source) { flow_->end_source(source); }
    void drain() { flow_->drain(); }

    [[nodiscard]] const options& chosen() const noexcept { return setup_.chosen; }
    [[nodiscard]] metrics& counters() noexcept { return metrics_; }
    [[nodiscard]] const std::vector<std::unique_ptr<device>>& devices() const noexcept { return with_->devices; }
    [[nodiscard]] const flow::model_set& models() const noexcept { return device_contexts_.front().models; }
    // Notes for the user on how the engine runs, one sentence each, such as why a present GPU is unused.
    [[nodiscard]] const std::vector<std::string>& notes() const noexcept { return notes_; }
    // The folders of TensorRT engines in use; empty without TensorRT.
    [[nodiscard]] std::vector<std::filesystem::path> engine_folders() const { return models().engine_folders(); }
    // The sum over all devices and processes.
    [[nodiscard]] std::size_t peak_device_bytes() const;
    // See flow::flow.
    [[nodiscard]] std::size_t leases_elsewhere() const { return flow_->leases_elsewhere(); }
    // The number of skipped sequences: frames that sources lost before submitting them.
    [[nodiscard]] std::uint64_t missing() const;
    // The sum over all devices.
    [[nodiscard]] frame_cache_counts cache() const { return flow_->cache(); }
    // With options::verify_ledger, after drain: the ledgers of all devices and processes, compared with their own
    // counts. nullopt without the option, and where nothing is transferred.
    [[nodiscard]] std::optional<ledger_check> check_ledger() const;

private:
    struct per_source {
        explicit per_source(const options& chosen);
        vision::tracker tracks;
        vision::face_measurer measures;
        vision::face_smoother smoother;

        void forget() noexcept {
            tracks.forget();
            measures.forget();
            smoother.forget();
        }
    };

    explicit face_engine(setup s) : setup_(std::move(s)) {}
    [[nodiscard]] result<void> load_models();
    [[nodiscard]] result<void> start_counters();
    void handle(flow::outcome&& o);
    [[nodiscard]] per_source& source_state_of(std::uint32_t source);
    void count_failure(const error& e);
    [[nodiscard]] result<void> admit(const frame_id& id);

    setup setup_;
    metrics metrics_;
    std::vector<std::string> notes_;
    mutable std::mutex gates_mutex_;
    std::map<std::uint32_t, sequence_filter> gates_;  // by source
    std::shared_ptr<runtime_context> with_;
    std::vector<flow::device_context> device_contexts_;
    std::vector<std::unique_ptr<transfer_counter>> counters_;  // of the devices that have a counter
    transfer_totals booked_before_;                            // in their ledgers, when the counters were created
    std::map<std::uint32_t, per_source> sources_;              // used only by the flow's handler thread
    std::unique_ptr<flow::flow> flow_;                         // last: its threads use all of the above
};

// Rejects values outside their ranges, naming the option, and combinations that do not work.
[[nodiscard]] result<void> check(const options& o);

// Sets lanes and batch_frames where `o.tuning` leaves them at 0, for the given number of sources (0: unknown) over all
// `devices`. On a GPU: two lanes, so that one is filled while the other computes, with the largest passes; for live
// sources one lane per 48 sources, and no more lanes or batch than the sources fill. On a host: one lane per source, as
// a video stays with its lane, but no more than o.threads; live with ONNX Runtime one lane, which uses all threads.
// `pictures`: frames of a source do not follow from one another, so that one lane per thread has work.
void share_work(options& o, bool on_host, std::size_t devices, std::size_t sources, bool pictures = false);

}  // namespace faceflow::internal
