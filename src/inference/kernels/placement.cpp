// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "core/try.hpp"
#include "inference/kernels/network.hpp"

namespace faceflow::internal::inference::kernels {
namespace {

constexpr std::size_t tensor_alignment = 256;

std::size_t aligned(std::size_t bytes) {
    return (bytes + tensor_alignment - 1) / tensor_alignment * tensor_alignment;
}

// A pixel, or one of a mixer's coordinates.
std::size_t bytes_of_input_element(const plan& p) {
    return p.mixer() != nullptr ? sizeof(float) : sizeof(half4);
}

}  // namespace

plan::extent tensor_placement::size(tensor_index i) const {
    return i < 0 ? plan::extent{height_, width_} : sizes_[static_cast<std::size_t>(i)];
}

result<tensor_placement> tensor_placement::make(const network& of, std::int32_t height, std::int32_t width,
                                                std::int32_t most, bool keep, input lies) {
    FACEFLOW_TRY(of.of.check_input(height, width, most));
    tensor_placement made;
    made.height_ = height;
    made.width_ = width;
    made.most_ = most;
    FACEFLOW_TRY(made.measure(of));
    made.begin_ = lies == input::here ? aligned(made.input_bytes_) : 0;
    made.find_lives(of, keep);
    made.place(of);
    return made;
}

result<void> tensor_placement::measure(const network& of) {
    const plan& p = of.of;
    // Kernels count pixels in 32 bits, rows in runs of 4, and slightly beyond the last pixel.
    constexpr std::int64_t most_pixels = std::numeric_limits<std::int32_t>::max() - 65536;
    const auto pixels = [this](plan::extent e) { return std::int64_t{e.height} * e.width * most_; };
    const auto countable = [&](plan::extent e) { return pixels({e.height, round_up(e.width, 4)}) <= most_pixels; };
    bool small = countable({height_, width_});
    input_bytes_ = static_cast<std::size_t>(pixels({height_, width_})) * bytes_of_input_element(p);
    for (const plan_map& m : p.maps) {
        sizes_.push_back(p.size_of(m, height_, width_));
        small = small && countable(sizes_.back());
        maps_.push_back({nowhere, static_cast<std::size_t>(pixels(sizes_.back())) *
                                      static_cast<std::size_t>(stored_channels(m.channels)) * sizeof(half)});
    }
    const std::vector<tensor_index> cells = p.maps_of_vectors();
    for (std::size_t i = 0; i < p.vectors.size(); ++i) {
        std::int64_t length = p.vectors[i].length;
        if (cells[i] >= 0) {
            const plan::extent e = size(cells[i]);
            length *= std::int64_t{e.height} * e.width;
        }
        small = small && length <= most_pixels;
        lengths_.push_back(static_cast<std::int32_t>(length));
        vectors_.push_back(
            {nowhere, static_cast<std::size_t>(length) * static_cast<std::size_t>(most_) * sizeof(float)});
    }
    if (small) return {};
    return fail(
        errc::invalid_argument,
        fmt::format("{} pictures of {} x {} are too much for one go; take fewer at a time", most_, width_, height_));
}

void tensor_placement::find_lives(const network& of, bool keep) {
    const auto end = static_cast<std::int32_t>(of.operations.size());
    for (area& m : maps_)
        m.first = end;
    for (area& v : vectors_)
        v.first = end;
    for (std::int32_t i = 0; i < end; ++i) {
        const operation& o = of.operations[static_cast<std::size_t>(i)];
        for (const tensor_index m : o.maps_written) {
            area& a = maps_[static_cast<std::size_t>(m)];
            a.first = std::min(a.first, i);
            a.last = std::max(a.last, keep ? end : i);
        }
        for (const tensor_index m : o.maps_read)
            if (m >= 0) maps_[static_cast<std::size_t>(m)].last = std::max(maps_[static_cast<std::size_t>(m)].last, i);
        for (const tensor_index v : o.vectors_written)
            vectors_[static_cast<std::size_t>(v)] = {nowhere, vectors_[static_cast<std::size_t>(v)].bytes, 0, end};
    }
}

// Places vectors contiguously, followed by maps: first fit, in order of first use.
void tensor_placement::place(const network& of) {
    const auto end = static_cast<std::int32_t>(of.operations.size());
    const auto is_there = [&](const area& a) { return a.first < end && a.bytes > 0; };
    scratch_at_ = begin_;
    for (area& v : vectors_) {
        if (!is_there(v)) continue;
        v.at = scratch_at_;
        scratch_at_ += aligned(v.bytes);
    }
    bytes_ = scratch_at_;
    std::vector<area*> order;
    for (area& m : maps_)
        if (is_there(m)) order.push_back(&m);
    std::stable_sort(order.begin(), order.end(), [](const area* a, const area* b) { return a->first < b->first; });
    std::vector<const area*> placed;
    for (area* a : order) {
        std::vector<std::pair<std::size_t, std::size_t>> busy;
        for (const area* other : placed)
            if (other->last >= a->first) busy.emplace_back(other->at, other->at + aligned(other->bytes));
        std::sort(busy.begin(), busy.end());
        a->at = scratch_at_;
        for (const auto& [from, to] : busy) {
            if (from >= a->at + a->bytes) break;
            a->at = std::max(a->at, to);
        }
        bytes_ = std::max(bytes_, a->at + aligned(a->bytes));
        placed.push_back(a);
    }
}

half* binding_memory::map(tensor_index i) const {
    if (i < 0) {
        const plan::extent e = size(i);
        const std::ptrdiff_t elements = std::ptrdiff_t{first_} * e.height * e.width;
        return reinterpret_cast<half*>(input_ + elements * static_cast<std::ptrdiff_t>(bytes_of_input_element(of_.of)));
    }
    const std::size_t at = places_.map(i).at;
    return at == tensor_placement::nowhere ? nullptr
                                           : reinterpret_cast<half*>(scratch_ + (at - places_.bytes_to_keep()));
}

float* binding_memory::vector(tensor_index i) const {
    const std::size_t at = places_.vector(i).at;
    if (at == tensor_placement::nowhere) return nullptr;
    return reinterpret_cast<float*>(memory_ + at) + std::ptrdiff_t{first_} * length(i);
}

std::int32_t binding_memory::channels(tensor_index map) const {
    return stored_channels(of_.of.maps[static_cast<std::size_t>(map)].channels);
}

std::vector<launch> binding_memory::launches(std::int32_t pictures, std::int32_t first) const {
    binding_memory from = *this;
    from.first_ = first;
    std::vector<launch> all;
    for (const operation& o : of_.operations) {
        const std::size_t before = all.size();
        o.add(from, pictures, all);
        for (std::size_t i = before; i < all.size(); ++i)
            all[i].step = o.last_step;
    }
    return all;
}

}  // namespace faceflow::internal::inference::kernels
