// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/try.hpp"
#include "inference/cpu/prepared_network.hpp"

namespace faceflow::internal::inference::cpu {
namespace {

constexpr std::size_t least_streamed = 768 * 1024;  // bytes
constexpr std::int32_t max_streamed = 8;            // maps in a row

std::size_t filled_up(std::size_t floats) {
    return (floats + channel_step - 1) / channel_step * channel_step;
}

}  // namespace

result<memory_layout> memory_layout::make(const prepared_network& of, std::int32_t height, std::int32_t width,
                                          std::int32_t most, maps how) {
    FACEFLOW_TRY(of.of().check_input(height, width, most));
    memory_layout made;
    made.input_ = {height, width};
    made.most_ = most;
    if (!made.measure(of)) {
        return fail(errc::invalid_argument, fmt::format("{} pictures of {} x {} are too much for one go; take fewer "
                                                        "at a time",
                                                        most, width, height));
    }
    if (how == maps::shared) made.choose_streams(of);
    made.place_maps(of, how);
    return made;
}

// Vectors and zeros first, then maps. False if the size would overflow.
bool memory_layout::measure(const prepared_network& of) {
    constexpr std::int64_t max_floats = std::int64_t{1} << 31;
    const plan& p = of.of();
    input_floats_ = p.input_length(input_.height, input_.width);
    if (input_floats_ >= max_floats) return false;
    bool small = true;
    std::int64_t longest_row = 0;
    for (const plan_map& m : of.maps()) {
        const plan::extent e = p.size_of(m, input_.height, input_.width);
        const std::int32_t stored = stored_channels(m.channels);
        const std::int64_t row = std::int64_t{e.width} * stored;
        small = small && row * e.height < max_floats;
        longest_row = std::max(longest_row, row);
        sizes_.push_back({nullptr, e, m.channels, stored, e.height});
        maps_.push_back({0, static_cast<std::size_t>(row) * static_cast<std::size_t>(e.height), 0, 0});
    }
    zeros_ = 0;
    floats_ = filled_up(static_cast<std::size_t>(longest_row));
    const std::vector<tensor_index> cells = p.maps_of_vectors();
    for (std::size_t i = 0; i < p.vectors.size(); ++i) {
        std::int64_t length = p.vectors[i].length;
        if (cells[i] >= 0) {
            const plan::extent e = sizes_[static_cast<std::size_t>(cells[i])].size;
            length *= std::int64_t{e.height} * e.width;
        }
        small = small && length < max_floats;
        lengths_.push_back(static_cast<std::int32_t>(length));
        vectors_.push_back(floats_);
        floats_ += filled_up(static_cast<std::size_t>(length) * static_cast<std::size_t>(most_));
    }
    return small;
}

// Chooses the maps that would leave the second-level cache before they are read.
void memory_layout::choose_streams(const prepared_network& of) {
    std::int32_t links = 0, last = -1;
    for (std::size_t i = 0; i < sizes_.size(); ++i) {
        const std::int32_t step = of.streams(static_cast<tensor_index>(i));
        tensor_places::map_place& m = sizes_[i];
        if (step < 0 || maps_[i].floats * sizeof(float) < least_streamed || m.size.height < 2 * streamed_rows) continue;
        links = step == last + 1 ? links + 1 : 1;
        last = step;
        if (links >= max_streamed) {
            links = 0;
            continue;
        }
        m.kept = streamed_rows;
        maps_[i].floats = static_cast<std::size_t>(m.row_step()) * streamed_rows;
    }
}

// First fit, in order of first use.
void memory_layout::place_maps(const prepared_network& of, maps how) {
    const auto end = static_cast<std::int32_t>(of.steps().size());
    for (area& a : maps_)
        a.first = end;
    // Steps that stream rows to one another run at the same time.
    std::vector<std::int32_t> begins(of.steps().size()), ends(of.steps().size());
    for (std::size_t i = 0; i < begins.size(); ++i)
        begins[i] = i > 0 && passes_on(of, i - 1) ? begins[i - 1] : static_cast<std::int32_t>(i);
    for (std::size_t i = ends.size(); i-- > 0;)
        ends[i] = passes_on(of, i) ? ends[i + 1] : static_cast<std::int32_t>(i);
    for (std::size_t i = 0; i < begins.size(); ++i) {
        const packed_step& s = *of.steps()[i];
        for (const auto* list : {&s.maps_written, &s.maps_read}) {
            for (const tensor_index m : *list) {
                area& a = maps_[static_cast<std::size_t>(m)];
                a.first = std::min(a.first, begins[i]);
                a.last = how == maps::kept ? end : ends[i];
            }
        }
    }
    std::vector<area*> order;
    for (area& a : maps_)
        order.push_back(&a);
    std::stable_sort(order.begin(), order.end(), [](const area* a, const area* b) { return a->first < b->first; });
    const std::size_t begin = floats_;
    std::vector<const area*> placed;
    for (area* a : order) {
        std::vector<std::pair<std::size_t, std::size_t>> busy;
        for (const area* other : placed)
            if (other->last >= a->first) busy.emplace_back(other->at, other->at + other->floats);
        std::sort(busy.begin(), busy.end());
        a->at = begin;
        for (const auto& [from, to] : busy) {
            if (from >= a->at + a->floats) break;
            a->at = std::max(a->at, to);
        }
        floats_ = std::max(floats_, a->at + a->floats);
        placed.push_back(a);
    }
}

bool memory_layout::passes_on(const prepared_network& of, std::size_t step) const {
    const packed_step& s = *of.steps()[step];
    return s.by_rows && !sizes_[static_cast<std::size_t>(s.maps_written.front())].whole();
}

tensor_places memory_layout::in(float* memory, const float* input) const {
    tensor_places places;
    places.maps = sizes_;
    for (std::size_t i = 0; i < maps_.size(); ++i)
        places.maps[i].data = memory + maps_[i].at;
    for (std::size_t i = 0; i < vectors_.size(); ++i)
        places.vectors.push_back({memory + vectors_[i], lengths_[i]});
    places.input = input;
    places.input_size = input_;
    places.input_floats = input_floats_;
    places.zeros = memory + zeros_;
    return places;
}

namespace {

std::size_t floats_of_kept_rows(const tensor_places::map_place& m) {
    const auto floats = static_cast<std::size_t>(m.kept * m.row_step());
    return (floats + channel_step - 1) / channel_step * channel_step;
}

}  // namespace

std::size_t memory_layout::passing_bytes() const {
    std::size_t floats = 0;
    for (const auto& m : sizes_)
        if (!m.whole()) floats += floats_of_kept_rows(m);
    return floats * sizeof(float);
}

tensor_places memory_layout::beside(tensor_places of, float* memory) const {
    for (auto& m : of.maps) {
        if (m.whole()) continue;
        m.data = memory;
        memory += floats_of_kept_rows(m);
    }
    return of;
}

}  // namespace faceflow::internal::inference::cpu
