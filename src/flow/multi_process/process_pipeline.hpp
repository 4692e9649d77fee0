// SPDX-License-Identifier: Apache-2.0
// The part that all process flows share, per device: jobs that go from the input queue through stage processes to the
// reorder buffer, and a watcher that restarts processes.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "flow/io/frame_job.hpp"
#include "flow/io/source_sequencer.hpp"
#include "flow/io/stage_pipeline.hpp"
#include "flow/multi_process/process_flow.hpp"
#include "flow/multi_process/stage_process.hpp"
#include "flow/multi_process/stage_slices.hpp"
#include "flow/pipeline_setup.hpp"
#include "flow/stages/detect_schedule.hpp"
#include "flow/stages/device_resources.hpp"

namespace faceflow::internal::flow {

// The faces of a source, as its last frame left them.
struct source_state {
    explicit source_state(const options& o) : schedule(o) {}
    detect_schedule schedule;
    std::vector<vision::detection> faces;  // copied, cached: on the host
    std::shared_ptr<const lease> slot;     // shared: on the device
    std::uint32_t buffer = 0;              // shared: the buffer whose semaphore the last frame's landmark stage signals
    std::uint64_t serial = 0;
};

// One frame in work; serials grow by two, see second_pass.
struct process_job : frame_job {
    source_sequencer<source_state>::source* source = nullptr;
    detect_decision how;
    followed_state state;  // of the faces that the frame took over
    result<frame_faces> faces;

    // copied, cached
    std::vector<vision::detection> found;
    std::vector<std::byte> pixels, crops;
    std::size_t crops_at = 0;                        // offset of the crops in `crops`
    std::vector<std::span<const std::byte>> planes;  // what is sent to the stages: `pixels`, or the source's own planes

    // shared
    frame on_device;
    std::uint32_t buffer = 0;
    bool has_buffer = false;
    stage_call base;  // the fields common to all calls of this job
};

// The serial of the second call to a stage for the same frame.
[[nodiscard]] constexpr std::uint64_t second_pass(std::uint64_t serial) {
    return serial + 1;
}

class process_pipeline {
public:
    virtual ~process_pipeline() = default;

    [[nodiscard]] virtual frame_cache_counts cache() const;
    [[nodiscard]] result<void> health() const;
    [[nodiscard]] std::size_t peak_bytes() const;
    [[nodiscard]] std::size_t leases() const;
    // Transfers that the devices of stage processes counted themselves.
    [[nodiscard]] transfer_totals transferred() const;
    // Collects counters that stage processes have not yet reported. Call it when no frame is in work.
    void collect_counters();

protected:
    explicit process_pipeline(pipeline_setup setup);

    // Starts a stage process of this pipeline; the watcher checks it from the start. `pages`: descriptors sent with its
    // greeting.
    [[nodiscard]] result<std::shared_ptr<stage_process>> start_stage(stage_role role, std::uint32_t buffers,
                                                                     ipc::control_page& own, std::vector<int> pages,
                                                                     exported_slabs* slabs);
    // Starts processing jobs. `begin` fills in a job, on the capture thread. Errors of start_thread.
    [[nodiscard]] result<void> run(std::function<result<void>(process_job&)> begin,
                                   std::vector<stage_pipeline<process_job>::step> steps);
    // The destructor of a class that called run must call this once the input queue is closed.
    void stop();

    // Tells the watchdog whether a stage has its inputs or waits for them (see stage_process::check_health). `process`
    // counts in the order of start_stage calls. Set it before run.
    using has_inputs = std::function<bool(std::size_t process, std::uint32_t buffer, std::uint64_t serial)>;
    void set_readiness(has_inputs ready);

    // Calls a stage. A failure becomes the job's: nullopt then, and for a job that failed before.
    std::optional<stage_response> call_stage(stage_process& stage, process_job& job, const stage_call& call,
                                             std::span<const vision::detection> faces = {},
                                             std::span<const std::span<const std::byte>> payload = {});
    // If the job follows from the previous frame of its source, waits until that frame is finished. Then decides whether
    // to detect.
    void decide(process_job& job);
    [[nodiscard]] const options& chosen() const noexcept { return options_; }
    [[nodiscard]] pass_shape shape() const { return {1, options_.max_faces, mesh_batch, crops_}; }
    [[nodiscard]] device& owner() const noexcept { return device_; }

private:
    [[nodiscard]] result<void> capture(process_job& j, const std::function<result<void>(process_job&)>& begin);
    // The last step of every job.
    void complete(process_job& job);
    [[nodiscard]] result<void> start_watcher();
    void watch(const std::stop_token& stop);
    [[nodiscard]] result<ipc::child_process> spawn(const stage_setup::starter& start);
    // Adds the counters to the ledger and metrics of this process.
    void record(const stage_counters& counters);

    device& device_;
    const options& options_;
    const crop_shape crops_;
    metrics& metrics_;
    const std::function<void(const std::string&)> note_;
    const std::size_t device_number_;
    input_queue& inputs_;
    reorder_buffer& reorder_;
    const thread_failed failed_;
    std::uint64_t serial_ = 0;
    std::unique_ptr<slice_trace> trace_;  // null without a trace

    source_sequencer<source_state> sources_;
    mutable std::mutex mutex_;  // guards the members below
    frame_cache_counts cache_;
    transfer_totals transferred_;
    std::vector<std::shared_ptr<stage_process>> processes_;
    has_inputs ready_;

    // A request to the watcher to start a process, and its result; one request at a time.
    std::mutex spawning_;
    const stage_setup::starter* to_start_ = nullptr;
    std::optional<result<ipc::child_process>> started_;
    std::condition_variable_any asked_, answered_;

    stage_pipeline<process_job> pipeline_;
    std::jthread watcher_;  // monitors processes; the only thread that starts them
};

// copied: one process each for detect, region and landmark; frames as 8-bit BGR and crops go through sockets and
// pageable memory, one face at a time. cached: detect and region share a process and its frame cache; frames are sent
// unchanged, crops batched.
[[nodiscard]] result<std::unique_ptr<process_pipeline>> make_message_pipeline(pipeline_setup setup, message_traits how);
// shared: one process each; frames, faces, crops and results stay in memory that all of them map.
[[nodiscard]] result<std::unique_ptr<process_pipeline>> make_shared_pipeline(pipeline_setup setup);

}  // namespace faceflow::internal::flow
