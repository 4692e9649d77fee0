// SPDX-License-Identifier: Apache-2.0
#include "flow/process/process_flow.hpp"

#include <functional>

#include "flow/flow_ends.hpp"
#include "flow/process/process_line.hpp"

namespace faceflow::flow {
namespace {

class process_flow final : public flow_ends {
public:
    using line_maker = std::function<result<std::unique_ptr<process_line>>(
        const device_context&, const flow_parts&, std::size_t, input_queue&, reorder_buffer&, thread_failed)>;

    explicit process_flow(const flow_parts& parts)
        : flow_ends(parts, parts.chosen.pacing == pacing::live ? 2 : 6),
          chosen_(effective_options(parts.chosen)) {}
    ~process_flow() override { inputs_.close(); }

    result<void> open(const flow_parts& parts, const line_maker& make) {
        const flow_parts ours{parts.devices,  parts.routes,  parts.merged, chosen_,
                              parts.counters, parts.handler, parts.note};
        if (auto r = reorder_.start(); !r) return r;
        for (std::size_t i = 0; i < parts.devices.size(); ++i) {
            auto line = make(parts.devices[i], ours, i, inputs_, reorder_, stops_flow());
            if (!line) {
                inputs_.close();
                return tl::unexpected(std::move(line.error()));
            }
            lines_.push_back(std::move(*line));
        }
        return {};
    }

    void drain() override {
        flow_ends::drain();
        for (const auto& l : lines_)
            l->settle_accounts();
    }
    frame_cache_counts cache() const override {
        frame_cache_counts sum;
        for (const auto& l : lines_)
            sum = sum + l->cache();
        return sum;
    }
    result<void> health() const override {
        if (auto r = flow_ends::health(); !r) return r;
        for (const auto& l : lines_) {
            if (auto r = l->health(); !r) return r;
        }
        return {};
    }
    transfer_totals transferred_elsewhere() const override {
        transfer_totals sum;
        for (const auto& l : lines_)
            sum += l->crossed();
        return sum;
    }
    std::size_t peak_bytes_elsewhere() const override {
        std::size_t sum = 0;
        for (const auto& l : lines_)
            sum += l->peak_bytes();
        return sum;
    }
    std::size_t leases_elsewhere() const override {
        std::size_t sum = 0;
        for (const auto& l : lines_)
            sum += l->leases();
        return sum;
    }

private:
    const options chosen_;
    std::vector<std::unique_ptr<process_line>> lines_;
};

result<std::unique_ptr<flow>> make(const flow_parts& parts, const process_flow::line_maker& line) {
    auto f = std::make_unique<process_flow>(parts);
    if (auto r = f->open(parts, line); !r) return tl::unexpected(std::move(r.error()));
    return f;
}

}  // namespace

result<std::unique_ptr<flow>> make_inline_flow(const flow_parts& parts, inline_traits how) {
    return make(parts, [how](const device_context& d, const flow_parts& ours, std::size_t number, input_queue& from,
                             reorder_buffer& to, thread_failed failed) {
        return make_inline_line(d, ours, how, number, from, to, std::move(failed));
    });
}

result<std::unique_ptr<flow>> make_shared_flow(const flow_parts& parts) {
    return make(parts, make_shared_line);
}

}  // namespace faceflow::flow
