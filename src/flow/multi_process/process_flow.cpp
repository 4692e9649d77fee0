// SPDX-License-Identifier: Apache-2.0
#include "flow/multi_process/process_flow.hpp"

#include <functional>

#include "core/try.hpp"
#include "flow/multi_process/process_pipeline.hpp"
#include "flow/queued_flow.hpp"

namespace faceflow::internal::flow {
namespace {

class process_flow final : public queued_flow {
public:
    using pipeline_maker = std::function<result<std::unique_ptr<process_pipeline>>(pipeline_setup)>;

    explicit process_flow(const flow_setup& setup)
        : queued_flow(setup, setup.chosen.pacing == pacing::live ? 2 : 6),
          chosen_(effective_options(setup.chosen)) {}
    ~process_flow() override { inputs_.close(); }

    result<void> open(const flow_setup& setup, const pipeline_maker& make) {
        const flow_setup ours{setup.devices,  setup.routes,  setup.merged, chosen_,
                              setup.counters, setup.handler, setup.note};
        FACEFLOW_TRY(reorder_.start());
        for (std::size_t i = 0; i < setup.devices.size(); ++i) {
            auto made = make(pipeline_for(ours, i));
            if (!made) {
                inputs_.close();
                return tl::unexpected(std::move(made.error()));
            }
            pipelines_.push_back(std::move(*made));
        }
        return {};
    }

    void drain() override {
        queued_flow::drain();
        for (const auto& p : pipelines_)
            p->collect_counters();
    }
    frame_cache_counts cache() const override {
        frame_cache_counts sum;
        for (const auto& p : pipelines_)
            sum += p->cache();
        return sum;
    }
    result<void> health() const override {
        FACEFLOW_TRY(queued_flow::health());
        for (const auto& p : pipelines_) {
            FACEFLOW_TRY(p->health());
        }
        return {};
    }
    transfer_totals transferred_elsewhere() const override {
        transfer_totals sum;
        for (const auto& p : pipelines_)
            sum += p->transferred();
        return sum;
    }
    std::size_t peak_bytes_elsewhere() const override {
        std::size_t sum = 0;
        for (const auto& p : pipelines_)
            sum += p->peak_bytes();
        return sum;
    }
    std::size_t leases_elsewhere() const override {
        std::size_t sum = 0;
        for (const auto& p : pipelines_)
            sum += p->leases();
        return sum;
    }

private:
    const options chosen_;
    std::vector<std::unique_ptr<process_pipeline>> pipelines_;
};

result<std::unique_ptr<flow>> make(const flow_setup& setup, const process_flow::pipeline_maker& pipeline) {
    auto f = std::make_unique<process_flow>(setup);
    FACEFLOW_TRY(f->open(setup, pipeline));
    return f;
}

}  // namespace

result<std::unique_ptr<flow>> make_message_flow(const flow_setup& setup, message_traits how) {
    return make(setup, [how](pipeline_setup ours) { return make_message_pipeline(std::move(ours), how); });
}

result<std::unique_ptr<flow>> make_shared_flow(const flow_setup& setup) {
    return make(setup, make_shared_pipeline);
}

}  // namespace faceflow::internal::flow
