// SPDX-License-Identifier: Apache-2.0
// shared: one process each for detect, region and landmark; a frame is never copied after its upload. This process owns
// the memory, uploads frames and downloads results. The stages map the memory once and add work to their own streams,
// ordered by semaphores. No host waits for a device before the results are downloaded.
#include <fmt/format.h>

#include <algorithm>

#include "core/read_once.hpp"
#include "core/try.hpp"
#include "device/stage_scope.hpp"
#include "flow/multi_process/process_pipeline.hpp"
#include "flow/multi_process/shared_executor.hpp"
#include "flow/stages/result_reader.hpp"

namespace faceflow::internal::flow {
namespace {

constexpr std::size_t detect_at = 0, region_at = 1, landmark_at = 2;

class shared_pipeline final : public process_pipeline {
public:
    explicit shared_pipeline(pipeline_setup setup)
        : process_pipeline(std::move(setup)),
          layout_(buffer_layout::of(shape())),
          slabs_(owner()),
          frames_(owner(), frame_options(chosen())) {}

    ~shared_pipeline() override {
        free_buffers_.close();
        stop();
        for (auto& s : stages_)
            s.reset();
        for (auto& p : pages_)
            owner().unregister_semaphores(p.pages());
        frames_.close();
    }

    result<void> open() {
        FACEFLOW_TRY(open_memory());
        FACEFLOW_TRY(open_pages());
        std::vector<int> pages;
        for (const auto& p : pages_)
            pages.push_back(p.descriptor());
        for (const auto& [role, page] : {std::pair{stage_role::detect, shared_page::detect},
                                         {stage_role::region, shared_page::region},
                                         {stage_role::landmark, shared_page::landmark}}) {
            FACEFLOW_ASSIGN(auto started, start_stage(role, frames_in_flight, page_of(page), pages, &slabs_));
            stages_.push_back(std::move(started));
        }
        set_readiness([this](std::size_t process, std::uint32_t buffer, std::uint64_t serial) {
            return has_inputs(process, buffer, serial);
        });
        return run([this](process_job& j) { return begin(j); },
                   {[this](process_job& j) { detect(j); }, [this](process_job& j) { region(j); },
                    [this](process_job& j) { landmark(j); }, [this](process_job& j) { finish(j); }});
    }

private:
    static frame_store_options frame_options(const options& o) {
        frame_store_options s = device_resources::store_options(o, 3 * frames_in_flight);
        s.cache = false;  // stages pass the name of a frame's slot
        s.always_in_slots = true;
        return s;
    }

    result<void> open_memory() {
        FACEFLOW_ASSIGN(auto made, slab::create(owner(), layout_.bytes, frames_in_flight));
        for (std::uint32_t i = 0; i < frames_in_flight; ++i) {
            FACEFLOW_ASSIGN(auto taken, lease::acquire(made));
            FACEFLOW_TRY(slabs_.name_of(taken));
            buffers_.push_back(std::move(taken));
            free_buffers_.push(i);
        }
        FACEFLOW_ASSIGN(failed_, owner().make_event());
        FACEFLOW_ASSIGN(up_, owner().make_stream("capture"));
        FACEFLOW_ASSIGN(down_, owner().make_stream("results"));
        FACEFLOW_ASSIGN(auto reader, result_reader::create(owner(), shape().results_bytes(), chosen().tuning.pinned));
        reader_ = std::make_unique<result_reader>(std::move(reader));
        return {};
    }

    result<void> open_pages() {
        for (std::size_t i = 0; i < shared_page_count; ++i) {
            FACEFLOW_ASSIGN(auto page, ipc::control_page::create(page_semaphores::count(frames_in_flight)));
            FACEFLOW_TRY(owner().register_semaphores(page.pages()));
            pages_.push_back(std::move(page));
        }
        return {};
    }

    ipc::control_page& page_of(shared_page p) { return pages_[static_cast<std::size_t>(p)]; }
    semaphore& passed(shared_page p, std::uint32_t buffer) { return page_of(p)[page_semaphores::passed(buffer)]; }

    // For the watchdog: a stage whose inputs are not ready is waiting, not hung.
    bool has_inputs(std::size_t process, std::uint32_t buffer, std::uint64_t serial) {
        if (process == detect_at) return reached(passed(shared_page::capture, buffer), serial);
        if (process == landmark_at) return reached(passed(shared_page::region, buffer), serial);
        // A frame without detection waits for the landmarks of the previous frame, which is not checked here. This may
        // return true too early; the cost is one extra restart when a landmark stage hangs.
        return reached(passed(shared_page::capture, buffer), serial) &&
               (!stages_[detect_at]->sent(buffer, serial) || reached(passed(shared_page::detect, buffer), serial));
    }
    static bool reached(const semaphore& t, std::uint64_t value) {
        return t.value.load(std::memory_order_acquire) >= value;
    }

    result<void> begin(process_job& j) {
        const stage_scope note({stage::capture, j.from.id});
        FACEFLOW_TRY(acquire_buffers(j));
        FACEFLOW_ASSIGN(j.on_device, frames_.upload(*up_, j.from, stage::capture, when_full::wait));
        up_->signal(passed(shared_page::capture, j.buffer), j.serial);
        FACEFLOW_ASSIGN(j.base.frame, slabs_.name_of(j.on_device.stored->slot));
        return follows(j.from) ? name_tracked(j) : result<void>{};
    }

    result<void> acquire_buffers(process_job& j) {
        auto free = free_buffers_.pop();
        if (!free) return fail(errc::interrupted, "the flow was stopped");
        j.buffer = j.base.buffer = *free;
        j.has_buffer = true;
        FACEFLOW_ASSIGN(j.base.memory, slabs_.name_of(buffers_[j.buffer]));
        return {};
    }

    result<void> name_tracked(process_job& j) {
        if (j.source->state.slot == nullptr) {
            FACEFLOW_ASSIGN(auto made, slab::create(owner(), tracked_slot_bytes(shape()), 1));
            FACEFLOW_ASSIGN(auto taken, lease::acquire(made));
            j.source->state.slot = std::move(taken).shared();
        }
        auto at = slabs_.name_of(*j.source->state.slot);
        if (!at) {
            j.source->state.slot = nullptr;  // drop it: the next frame's slot may be one that can be shared
            return tl::unexpected(std::move(at.error()));
        }
        j.base.tracked = *at;
        return {};
    }

    void detect(process_job& j) {
        decide(j);
        if (!j.failed) return;
        j.base.detect = j.how.detect ? 1 : 0;
        j.base.begins = j.how.begins ? 1 : 0;
        if (j.how.detect) call_stage(*stages_[detect_at], j, j.base);
        if (j.how.begins) return;
        j.base.wait_buffer = j.source->state.buffer;
        j.base.wait_serial = j.source->state.serial;
    }

    void region(process_job& j) { call_stage(*stages_[region_at], j, j.base); }

    void landmark(process_job& j) {
        j.base.end = capacity_;
        call_stage(*stages_[landmark_at], j, j.base);
    }

    void finish(process_job& j) {
        if (j.source == nullptr) return;  // it never began
        const stage_scope note({stage::landmark, j.from.id});
        // Even for a failed frame: its memory may be reused only when no stage works on it any more.
        if (j.has_buffer) wait_for_stages(j, j.serial);
        if (j.on_device.stored != nullptr) use(*down_, j.on_device);
        if (j.failed) {
            read_results(j);
        } else if (j.has_buffer) {
            (void)synchronise(*down_, *failed_, {stage::landmark, j.from.id});
        }
        j.source->state.buffer = j.buffer;
        j.source->state.serial = j.serial;
        j.on_device = {};
        if (j.has_buffer) free_buffers_.push(j.buffer);
    }

    void wait_for_stages(const process_job& j, std::uint64_t serial) {
        const std::array<shared_page, 3> pages{shared_page::detect, shared_page::region, shared_page::landmark};
        for (std::size_t i = 0; i < stages_.size(); ++i) {
            if (stages_[i]->sent(j.buffer, serial)) down_->wait(passed(pages[i], j.buffer), serial);
        }
    }

    void read_results(process_job& j) {
        const tag waiting{stage::landmark, j.from.id};
        const vision::pass_results results{
            reinterpret_cast<vision::result_header*>(buffers_[j.buffer].address() + layout_.results), 1};
        auto read = reader_->read(*down_, results, j.base.end, waiting);
        const auto header = read ? read_once(read->headers) : vision::result_header{};
        std::int32_t here = j.base.end;
        if (read && completed(j, j.serial) && header.filled < header.count) {
            // More faces than the capacity: process the rest in a second call, and raise the capacity.
            stage_call more = j.base;
            more.serial = second_pass(j.serial);
            more.first = j.base.end;
            more.end = capacity_ = round_to_batches(std::min(header.count, chosen().max_faces));
            if (!call_stage(*stages_[landmark_at], j, more)) return;
            wait_for_stages(j, more.serial);
            read = reader_->read(*down_, results, more.end, waiting);
            here = more.end;
            j.serial = more.serial;
        }
        if (!read) {
            j.failed = tl::unexpected(std::move(read.error()));
        } else if (!completed(j, j.serial)) {
            j.failed = fail(errc::lost, "a stage process did not finish its work on the frame");
        } else {
            here = std::min(here, shape().records());
            j.faces = faces_of(*read, 0, here, j.from, chosen().min_presence);
            if (!j.faces) j.failed = tl::unexpected(j.faces.error());
            j.state = followed_state_of(*read, 0, here, chosen().min_presence);
        }
    }

    bool completed(const process_job& j, std::uint64_t serial) const {
        return std::all_of(stages_.begin(), stages_.end(),
                           [&](const auto& s) { return !s->sent(j.buffer, serial) || s->completed(j.buffer, serial); });
    }

    const buffer_layout layout_;
    exported_slabs slabs_;
    frame_store frames_;
    std::vector<lease> buffers_;
    bounded_queue<std::uint32_t> free_buffers_{frames_in_flight, queue_policy::block};
    std::unique_ptr<event> failed_;
    std::vector<ipc::control_page> pages_;
    std::unique_ptr<stream> up_, down_;
    std::unique_ptr<result_reader> reader_;
    std::atomic<std::int32_t> capacity_{mesh_batch};  // written by the last step, read by the landmark step
    std::vector<std::shared_ptr<stage_process>> stages_;
};

}  // namespace

result<std::unique_ptr<process_pipeline>> make_shared_pipeline(pipeline_setup setup) {
    auto made = std::make_unique<shared_pipeline>(std::move(setup));
    FACEFLOW_TRY(made->open());
    return made;
}

}  // namespace faceflow::internal::flow
