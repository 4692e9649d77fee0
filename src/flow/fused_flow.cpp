// SPDX-License-Identifier: Apache-2.0
#include "flow/fused_flow.hpp"

#include <thread>
#include <vector>

#include "flow/flow_ends.hpp"
#include "flow/lane.hpp"

namespace faceflow::flow {
namespace {

class fused_flow final : public flow_ends {
public:
    static result<std::unique_ptr<flow>> create(const flow_parts& parts, std::size_t lanes_per_device,
                                                const pass_shape& shape) {
        auto f = std::unique_ptr<fused_flow>(new fused_flow(parts, lanes_per_device, shape));
        if (auto r = f->reorder_.start(); !r) return tl::unexpected(std::move(r.error()));
        for (std::size_t i = 0; i < f->lines_.size() * lanes_per_device; ++i) {
            auto l = lane::create(*f->lines_[i % f->lines_.size()], "lane " + std::to_string(i), shape);
            if (!l) return tl::unexpected(std::move(l.error()));
            f->lanes_.push_back(std::move(*l));
        }
        f->threads_.reserve(f->lanes_.size());  // a thread that has no place there could not be joined
        for (std::size_t i = 0; i < f->lanes_.size(); ++i) {
            // A source's last faces lie in one lane: live, where frames come one by one, the source stays with it.
            taker by{i % f->lines_.size()};
            if (f->live_) by.lane = i / f->lines_.size();
            auto started = start_thread(
                "lane " + std::to_string(i) + " of the flow", [self = f.get(), i, by] { self->work(i, by); },
                f->stops_flow());
            if (!started) return tl::unexpected(std::move(started.error()));
            f->threads_.push_back(std::move(*started));
        }
        return f;
    }

    ~fused_flow() override {
        inputs_.close();
        for (auto& t : threads_)
            t.join();
        for (auto& line : lines_)
            line->frames.close();
    }

    frame_cache_counts cache() const override {
        frame_cache_counts sum;
        for (const auto& line : lines_)
            sum = sum + line->frames.counts();
        return sum;
    }

private:
    fused_flow(const flow_parts& parts, std::size_t lanes_per_device, const pass_shape& shape)
        // What waits fills a pass of every lane, while it is not one frame alone.
        : flow_ends(
              parts, 2 * lanes_per_device * static_cast<std::size_t>(shape.frames),
              shape.frames > 1 ? lanes_per_device * parts.devices.size() * static_cast<std::size_t>(shape.frames) : 0,
              lanes_per_device),
          live_(parts.chosen.pacing == pacing::live),
          pass_frames_(static_cast<std::size_t>(shape.frames)),
          patience_(live_ ? static_cast<std::int64_t>(parts.chosen.tuning.batch_deadline_ms * 1e6) : 0) {
        for (const auto& d : parts.devices)
            lines_.push_back(
                std::make_unique<device_line>(d, parts, 4 * lanes_per_device * pass_frames_, shape.mesh_faces));
    }

    void work(std::size_t index, taker by) {
        for (;;) {
            auto groups = inputs_.take(by, pass_frames_, patience_);
            if (groups.empty()) return;
            std::vector<std::vector<outcome>> outcomes(groups.size());
            for (std::size_t u = 0; u < groups.size(); ++u)
                outcomes[u].reserve(groups[u].frames.size());
            auto passed = caught("working on frames", [&] { through(*lanes_[index], groups, outcomes); });
            if (!passed) fail_the_rest(groups, outcomes, passed.error());
            for (std::size_t u = 0; u < groups.size(); ++u)
                reorder_.put(groups[u].line, groups[u].index, by.device, std::move(outcomes[u]));
        }
    }

    // Every frame that was taken on has an outcome.
    static void fail_the_rest(std::vector<frame_group>& groups, std::vector<std::vector<outcome>>& outcomes,
                              const error& why) {
        for (std::size_t u = 0; u < groups.size(); ++u) {
            for (std::size_t at = outcomes[u].size(); at < groups[u].frames.size(); ++at)
                outcomes[u].push_back({std::move(groups[u].frames[at]), tl::unexpected(why)});
        }
    }

    // The groups side by side: a pass takes the next frame of each. `outcomes`: one list for each, with room for all its frames.
    void through(lane& l, std::vector<frame_group>& groups, std::vector<std::vector<outcome>>& outcomes) const {
        for (std::size_t at = 0;; ++at) {
            std::vector<lane::item> items;
            std::vector<std::size_t> of_group;
            for (std::size_t u = 0; u < groups.size(); ++u) {
                const frame_group& group = groups[u];
                if (at >= group.frames.size()) continue;
                // A recorded group begins with a detection: what it starts from is its own, wherever its source is.
                const auto follows = live_ ? group.source : static_cast<std::uint32_t>(u);
                items.push_back({&group.frames[at], detects(group, at), follows, {}});
                of_group.push_back(u);
            }
            if (items.empty()) return;
            l.pass(items);
            for (std::size_t i = 0; i < items.size(); ++i)
                outcomes[of_group[i]].push_back({std::move(groups[of_group[i]].frames[at]), std::move(items[i].faces)});
        }
    }

    const bool live_;
    const std::size_t pass_frames_;
    const std::chrono::nanoseconds patience_;
    std::vector<std::unique_ptr<device_line>> lines_;
    std::vector<std::unique_ptr<lane>> lanes_;
    std::vector<std::thread> threads_;
};

}  // namespace

result<std::unique_ptr<flow>> make_fused_flow(const flow_parts& parts) {
    const options& o = parts.chosen;
    pass_shape shape;
    shape.max_faces = o.max_faces;
    shape.frames = std::clamp(o.tuning.batch_frames, 1, vision::max_pass_frames);
    if (!parts.devices.front().on->computes_on_host())
        shape.mesh_faces = std::min(mesh_batch * shape.frames, most_mesh_batch);
    shape.crops = crop_form(o).format;
    return fused_flow::create(parts, static_cast<std::size_t>(o.tuning.lanes), shape);
}

}  // namespace faceflow::flow
