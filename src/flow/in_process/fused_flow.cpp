// SPDX-License-Identifier: Apache-2.0
#include "flow/in_process/fused_flow.hpp"

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/try.hpp"
#include "flow/in_process/lane.hpp"
#include "flow/queued_flow.hpp"

namespace faceflow::internal::flow {
namespace {

class fused_flow final : public queued_flow {
public:
    static result<std::unique_ptr<flow>> create(const flow_setup& setup, std::size_t lanes_per_device,
                                                const pass_shape& shape) {
        auto f = std::unique_ptr<fused_flow>(new fused_flow(setup, lanes_per_device, shape));
        FACEFLOW_TRY(f->reorder_.start());
        for (std::size_t i = 0; i < f->resources_.size() * lanes_per_device; ++i) {
            FACEFLOW_ASSIGN(auto l,
                            lane::create(*f->resources_[i % f->resources_.size()], "lane " + std::to_string(i), shape,
                                         [self = f.get(), device = i % f->resources_.size()](const std::string& line) {
                                             self->warn_once(device, line);
                                         }));
            f->lanes_.push_back(std::move(l));
        }
        f->threads_.reserve(f->lanes_.size());  // a thread that has no place there could not be joined
        for (std::size_t i = 0; i < f->lanes_.size(); ++i) {
            // A source's last faces lie in one lane.
            const taker by{i % f->resources_.size(), i / f->resources_.size(), takes_consecutive_frames(setup)};
            FACEFLOW_ASSIGN(auto started, start_thread(
                                              "lane " + std::to_string(i) + " of the flow",
                                              [self = f.get(), i, by] { self->work(i, by); }, f->on_thread_failure()));
            f->threads_.push_back(std::move(started));
        }
        return f;
    }

    ~fused_flow() override {
        inputs_.close();
        for (auto& t : threads_)
            t.join();
        for (auto& r : resources_)
            r->frames.close();
    }

    frame_cache_counts cache() const override {
        frame_cache_counts sum;
        for (const auto& r : resources_)
            sum += r->frames.counts();
        return sum;
    }

private:
    fused_flow(const flow_setup& setup, std::size_t lanes_per_device, const pass_shape& shape)
        // What waits fills a pass of every lane, while it is not one frame alone.
        : queued_flow(
              setup, 2 * lanes_per_device * static_cast<std::size_t>(shape.frames),
              shape.frames > 1 ? lanes_per_device * setup.devices.size() * static_cast<std::size_t>(shape.frames) : 0,
              lanes_per_device),
          pass_frames_(static_cast<std::size_t>(shape.frames)),
          patience_(setup.chosen.pacing == pacing::live
                        ? static_cast<std::int64_t>(setup.chosen.tuning.batch_deadline_ms * 1e6)
                        : 0),
          note_(setup.note),
          warned_(setup.devices.size()) {
        for (const auto& d : setup.devices)
            resources_.push_back(std::make_unique<device_resources>(
                d, setup.chosen, setup.counters, 4 * lanes_per_device * pass_frames_, shape.mesh_faces));
    }

    // Frames of one source, recorded and detected in all of them, share a batch of the detector on a host, whose threads
    // then have a frame each. A GPU has frames of several sources for that.
    static bool takes_consecutive_frames(const flow_setup& setup) {
        return setup.chosen.pacing == pacing::recorded && detects_in_every_frame(setup.chosen) &&
               setup.devices.front().device->computes_on_host();
    }

    void work(std::size_t index, taker by) {
        for (;;) {
            auto taken = inputs_.take(by, pass_frames_, patience_);
            if (taken.empty()) return;
            std::vector<lane::item> items;
            auto processed = caught("working on frames", [&] {
                items.reserve(taken.size());
                for (const queued_frame& q : taken)
                    items.push_back({&q.frame, {}});
                lanes_[index]->process(items);
            });
            if (!processed) lanes_[index]->forget();
            for (std::size_t i = 0; i < taken.size(); ++i) {
                queued_frame& q = taken[i];
                result<frame_faces> faces = processed ? std::move(items[i].faces) : tl::unexpected(processed.error());
                reorder_.put(q.order, q.index, q.device, {std::move(q.frame), std::move(faces)});
            }
        }
    }

    // Any thread.
    void warn_once(std::size_t device, const std::string& line) {
        if (!warned_[device].test_and_set()) note_(line);
    }

    const std::size_t pass_frames_;
    const std::chrono::nanoseconds patience_;
    const std::function<void(const std::string&)> note_;
    std::vector<std::atomic_flag> warned_;  // by device
    std::vector<std::unique_ptr<device_resources>> resources_;
    std::vector<std::unique_ptr<lane>> lanes_;
    std::vector<std::thread> threads_;
};

}  // namespace

result<std::unique_ptr<flow>> make_fused_flow(const flow_setup& setup) {
    const options& o = setup.chosen;
    pass_shape shape;
    shape.max_faces = o.max_faces;
    shape.frames = std::clamp(o.tuning.batch_frames, 1, vision::max_pass_frames);
    if (!setup.devices.front().device->computes_on_host())
        shape.mesh_faces = std::min(mesh_batch * shape.frames, max_mesh_batch);
    shape.crops = setup.devices.front().models.crops();
    return fused_flow::create(setup, static_cast<std::size_t>(o.tuning.lanes), shape);
}

}  // namespace faceflow::internal::flow
