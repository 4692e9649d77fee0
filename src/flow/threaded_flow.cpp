// SPDX-License-Identifier: Apache-2.0
#include "flow/threaded_flow.hpp"

#include "flow/flow_ends.hpp"
#include "flow/stage_threads.hpp"

namespace faceflow::flow {
namespace {

class threaded_flow final : public flow_ends {
public:
    static result<std::unique_ptr<flow>> create(const flow_parts& parts) {
        auto f = std::unique_ptr<threaded_flow>(new threaded_flow(parts));
        if (auto r = f->reorder_.start(); !r) return tl::unexpected(std::move(r.error()));
        for (std::size_t i = 0; i < parts.devices.size(); ++i) {
            auto threads = stage_threads::create(parts.devices[i], parts, i, f->inputs_, f->reorder_, f->stops_flow());
            if (!threads) {
                f->inputs_.close();
                return tl::unexpected(std::move(threads.error()));
            }
            f->devices_.push_back(std::move(*threads));
        }
        return f;
    }

    ~threaded_flow() override { inputs_.close(); }

    frame_cache_counts cache() const override {
        frame_cache_counts sum;
        for (const auto& d : devices_)
            sum = sum + d->cache();
        return sum;
    }

private:
    // Of each device. Live: a frame in each of two stages at most, so that none waits long. Recorded: one in every stage and more waiting.
    explicit threaded_flow(const flow_parts& parts) : flow_ends(parts, parts.chosen.pacing == pacing::live ? 2 : 6) {}

    std::vector<std::unique_ptr<stage_threads>> devices_;
};

}  // namespace

result<std::unique_ptr<flow>> make_threaded_flow(const flow_parts& parts) {
    return threaded_flow::create(parts);
}

}  // namespace faceflow::flow
