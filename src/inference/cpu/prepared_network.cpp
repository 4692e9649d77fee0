// SPDX-License-Identifier: Apache-2.0
#include "inference/cpu/prepared_network.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace faceflow::internal::inference::cpu {
namespace {

constexpr std::int32_t max_together = 256;  // outputs

// Packs a step together with following ones that can run with it; moves `at` past the last.
std::unique_ptr<packed_step> pack_convolution(const packing& with, const plan_convolution& c, std::size_t& at) {
    const std::vector<plan_step>& steps = with.of.steps;
    ++at;
    if (!fits_winograd(c)) return c.kernel > 1 || c.x < 0 ? pack_direct(with, c) : pack_pointwise(with, c);
    std::vector<const plan_convolution*> together{&c};
    for (std::int32_t outputs = c.outputs; at < steps.size(); ++at) {
        const auto* const next = std::get_if<plan_convolution>(&steps[at]);
        if (next == nullptr || next->x != c.x || !fits_winograd(*next)) break;
        outputs += next->outputs;
        if (outputs > max_together) break;
        together.push_back(next);
    }
    return pack_winograd(with, together);
}

}  // namespace

std::shared_ptr<const prepared_network> prepared_network::make(plan of, host_precision in_what,
                                                               const kernel_set& kernels) {
    std::shared_ptr<prepared_network> made(new prepared_network(std::move(of), kernels));
    made->pack(in_what);
    made->find_streams();
    return made;
}

prepared_network::prepared_network(plan of, const kernel_set& kernels)
    : of_(std::move(of)),
      kernels_(kernels),
      maps_(of_.maps) {}

// The input as a map, filled by a step before the first that reads it.
tensor_index prepared_network::input_map(const packing& with) {
    if (input_map_ >= 0) return input_map_;
    input_map_ = static_cast<tensor_index>(maps_.size());
    const plan_input& in = of_.input;
    maps_.push_back({"", 3, in.height > 0 ? 0 : 1, in.height, in.width});
    steps_.push_back(pack_input(with, input_map_));
    return input_map_;
}

void prepared_network::pack(host_precision in_what) {
    const packing with{of_, kernels_, weights_, in_what};
    for (std::size_t at = 0; at < of_.steps.size();) {
        const auto first = static_cast<std::int32_t>(at);
        const plan_step& s = of_.steps[at];
        if (const auto* c = std::get_if<plan_convolution>(&s)) {
            plan_convolution own = *c;
            if (c->x < 0 && (c->depthwise || c->pool_first)) own.x = input_map(with);
            steps_.push_back(pack_convolution(with, own.x == c->x ? *c : own, at));
        } else {
            ++at;
            if (const auto* h = std::get_if<plan_head>(&s)) steps_.push_back(pack_head(with, *h));
            if (const auto* d = std::get_if<plan_dense>(&s)) steps_.push_back(pack_dense(with, *d));
            if (const auto* a = std::get_if<plan_attention>(&s)) steps_.push_back(pack_attention(with, *a));
            if (const auto* l = std::get_if<plan_landmarks>(&s)) steps_.push_back(pack_landmarks(with, *l));
            if (const auto* m = std::get_if<plan_mixer>(&s)) steps_.push_back(pack_mixer(with, *m));
        }
        steps_.back()->first_step = first;
        steps_.back()->last_step = static_cast<std::int32_t>(at) - 1;
    }
    // The weights are packed; the plan's shapes are still needed.
    std::exchange(of_.weights, {});
}

void prepared_network::find_streams() {
    std::vector<std::int32_t> writers(maps_.size()), readers(maps_.size());
    for (const auto& s : steps_) {
        for (const tensor_index m : s->maps_written)
            ++writers[static_cast<std::size_t>(m)];
        for (const tensor_index m : std::set<tensor_index>(s->maps_read.begin(), s->maps_read.end()))
            ++readers[static_cast<std::size_t>(m)];
    }
    streams_.assign(maps_.size(), -1);
    for (std::size_t i = 0; i + 1 < steps_.size(); ++i) {
        const packed_step &s = *steps_[i], &next = *steps_[i + 1];
        if (!s.by_rows || !next.by_rows || next.rows_from != s.maps_written.front()) continue;
        const auto m = static_cast<std::size_t>(next.rows_from);
        if (writers[m] == 1 && readers[m] == 1) streams_[m] = static_cast<std::int32_t>(i);
    }
}

prepared_binding::prepared_binding(std::shared_ptr<const prepared_network> of, tensor_places places)
    : of_(std::move(of)),
      places_(std::move(places)) {
    std::vector<std::unique_ptr<row_step>> links;
    for (std::size_t i = 0; i < of_->steps().size(); ++i) {
        const auto& s = of_->steps()[i];
        auto bound = s->bind(places_, of_->weights());
        const bool passes_on = s->by_rows && !places_.map(s->maps_written.front()).whole();
        if (passes_on || !links.empty()) {
            links.emplace_back(static_cast<row_step*>(bound.release()));
            if (passes_on) continue;
            bound = stream_rows(std::exchange(links, {}));
        }
        scratch_ = std::max(scratch_, bound->scratch());
        steps_.push_back(std::move(bound));
        last_of_.push_back(i);
    }
}

void prepared_binding::run(std::int32_t first, std::int32_t n, float* scratch) const {
    for (std::int32_t i = first; i < first + n; ++i)
        for (const auto& s : steps_)
            s->run(i, 0, s->parts(), scratch);
}

}  // namespace faceflow::internal::inference::cpu
