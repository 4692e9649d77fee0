// SPDX-License-Identifier: Apache-2.0
#include "flow/in_process/threaded_flow.hpp"

#include "core/try.hpp"
#include "flow/in_process/stage_threads.hpp"
#include "flow/queued_flow.hpp"

namespace faceflow::internal::flow {
namespace {

class threaded_flow final : public queued_flow {
public:
    static result<std::unique_ptr<flow>> create(const flow_setup& setup) {
        auto f = std::unique_ptr<threaded_flow>(new threaded_flow(setup));
        FACEFLOW_TRY(f->reorder_.start());
        for (std::size_t i = 0; i < setup.devices.size(); ++i) {
            auto threads = stage_threads::create(f->pipeline_for(setup, i));
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
            sum += d->cache();
        return sum;
    }

private:
    // Groups per device. Live: two, so that none waits long. Recorded: one in every stage, and more waiting.
    explicit threaded_flow(const flow_setup& setup) : queued_flow(setup, setup.chosen.pacing == pacing::live ? 2 : 6) {}

    std::vector<std::unique_ptr<stage_threads>> devices_;
};

}  // namespace

result<std::unique_ptr<flow>> make_threaded_flow(const flow_setup& setup) {
    return threaded_flow::create(setup);
}

}  // namespace faceflow::internal::flow
