// SPDX-License-Identifier: Apache-2.0
// One kernel per step.
#include <fmt/format.h>

#include <algorithm>

#include "inference/kernels/builder.hpp"

namespace faceflow::internal::inference::kernels {
namespace {

// The channels of the map that a convolution writes, from its first one on. Zeros follow the map's last channel.
int written_channels(const plan_convolution& c, const plan_map& y) {
    return c.into + c.outputs == y.channels ? stored_channels(y.channels) - c.into : c.outputs;
}

// Enough blocks of threads to keep a card busy.
std::int64_t enough_blocks(const card& d) {
    return 2 * std::int64_t{d.multiprocessors};
}

// The parameters common to block kernels of all sizes.
template <class Parameters>
Parameters block_of(const plan_convolution& c, const packed_weights& w, const binding_memory& m) {
    const plan::extent in = m.size(c.x), out = m.size(c.y);
    Parameters p{};
    p.x = m.map(c.x);
    p.y = m.map(c.y) + c.into;
    p.depthwise_weights = m.weights<half>(w.depthwise);
    p.depthwise_bias = m.weights<float>(w.depthwise_bias);
    p.weights = m.weights<half8>(w.weights);
    p.bias = m.weights<float>(w.bias);
    p.slopes = m.weights<float>(w.slopes);
    p.joined = joined_of(c, m);
    p.height = in.height;
    p.width = in.width;
    p.out_height = out.height;
    p.out_width = out.width;
    p.pad = c.pad;
    p.y_channels = m.channels(c.y);
    p.depthwise_relu = c.depthwise_relu;
    return p;
}

// Launches the kernel of the list with the most rows that keeps the card busy; otherwise the last.
template <int Inputs, int Outputs, int Stride, int Rows, int... Smaller>
void launch_block(const plan_convolution& c, const packed_weights& w, const binding_memory& m, std::int32_t pictures,
                  std::vector<launch>& to) {
    using kernel = block_kernel<Inputs, Outputs, Stride, Rows>;
    auto p = block_of<block_parameters>(c, w, m);
    // Runs of pixels must not extend into the next row.
    p.row_length = round_up(p.out_width, kernel::run_length);
    p.total = pictures * p.out_height * p.row_length;
    const int across = divide_up(p.total, Rows), along = c.outputs / Outputs;
    if constexpr (sizeof...(Smaller) > 0) {
        const bool busy = std::int64_t{across} * along >= enough_blocks(m.target());
        if (!busy || kernel::shared_bytes > m.target().shared_bytes)
            return launch_block<Inputs, Outputs, Stride, Smaller...>(c, w, m, pictures, to);
    }
    add_launch<kernel>(to, across, along, kernel::shared_bytes, p);
}

using block_launch = void (*)(const plan_convolution&, const packed_weights&, const binding_memory&, std::int32_t,
                              std::vector<launch>&);
struct block_entry {
    int inputs, outputs, stride;
    unsigned joins;
    std::size_t shared_bytes;  // of the smallest kernel
    block_launch launch;
};
template <int Inputs, int Outputs, int Split, int Stride, int Smallest, int... Rows>
constexpr block_entry block_of_size() {
    using smallest = block_kernel<Inputs, Split, Stride, Smallest>;
    return {
        Inputs, Outputs, Stride, smallest::joins, smallest::shared_bytes, launch_block<Inputs, Split, Stride, Rows...>};
}
// The kernels of list.hpp.
constexpr block_entry sized_blocks[] = {
    block_of_size<32, 32, 32, 1, 32, 128, 64, 32>(), block_of_size<32, 64, 64, 2, 32, 64, 32>(),
    block_of_size<64, 64, 64, 1, 32, 64, 32>(),      block_of_size<64, 128, 128, 2, 16, 64, 32, 16>(),
    block_of_size<64, 64, 32, 0, 32, 64, 32>(),      block_of_size<128, 128, 128, 1, 16, 64, 32, 16>(),
    block_of_size<128, 256, 64, 2, 32, 64, 32>(),    block_of_size<256, 256, 64, 1, 32, 64, 32>(),
    block_of_size<256, 256, 64, 0, 32, 64, 32>(),    block_of_size<256, 64, 32, 0, 32, 64, 32>(),
    block_of_size<128, 64, 32, 0, 32, 64, 32>(),
};

}  // namespace

result<void> builder::add(std::int32_t step) {
    return std::visit([&](const auto& s) { return add(step, s); }, plan_.steps[static_cast<std::size_t>(step)]);
}

result<void> builder::add(std::int32_t step, const plan_convolution& c) {
    if (c.into % 4 != 0 || written_channels(c, map(c.y)) % 4 != 0) {
        return fail(errc::unsupported, fmt::format("{} channels into channel {} of a map: kernels write four at a time",
                                                   c.outputs, c.into));
    }
    if (c.x < 0) {
        const bool known = (c.kernel == 3 || c.kernel == 5) && c.stride <= first_kernel<3>::max_stride;
        if (!known || c.join != joining::none || c.inputs != 3) {
            return fail(errc::unsupported,
                        "of the input kernels make 3 x 3 and 5 x 5 convolutions of stride 1 or 2 alone");
        }
        if (c.kernel == 3) {
            add_first<first_kernel<3>>(step, c);
        } else {
            add_first<first_kernel<5>>(step, c);
        }
        return {};
    }
    if (c.kernel == 3) {
        if (c.stride > any_convolution_kernel::max_stride)
            return fail(errc::unsupported, fmt::format("a dense 3 x 3 convolution of stride {}", c.stride));
        const bool plain = c.stride == 1 && c.pad == 1;
        if (!card_.fused || !plain || !add_single_level(step, c)) add_any_convolution(step, c);
        return {};
    }
    if (c.stride > 2 || (!c.depthwise && c.stride != 1))
        return fail(errc::unsupported, fmt::format("a 1 x 1 convolution of stride {}", c.stride));
    if (any_block_kernel::shared_bytes(32, stored_channels(c.inputs)) > card_.shared_bytes)
        return fail(errc::unsupported,
                    fmt::format("{} channels are more than the card has shared memory for", c.inputs));
    if (!card_.fused || !add_block(step, c)) add_any_block(step, c);
    return {};
}

bool builder::add_block(std::int32_t step, const plan_convolution& c) {
    const int stride = c.depthwise ? c.stride : 0;
    const auto* const entry = std::find_if(std::begin(sized_blocks), std::end(sized_blocks), [&](const block_entry& b) {
        return b.inputs == c.inputs && b.outputs == c.outputs && b.stride == stride &&
               b.shared_bytes <= card_.shared_bytes;
    });
    if (entry == std::end(sized_blocks) || c.pool_first) return false;
    if (c.join != joining::none && (entry->joins & join_bit(kind_of(c.join))) == 0) return false;
    const packed_weights w = pack(c, c.inputs, c.outputs, input_order::as_loaded);
    accept({{step}, {}, {}, [c, w, launch = entry->launch](const binding_memory& m, std::int32_t pictures, auto& to) {
                launch(c, w, m, pictures, to);
            }});
    return true;
}

template <class Kernel>
void builder::add_first(std::int32_t step, const plan_convolution& c) {
    const int written = written_channels(c, map(c.y)), outputs = round_up(written, channel_step);
    packed_weights w;
    w.weights = pack_first(c, outputs);
    w.bias = pack_bias(c.bias, outputs);
    w.slopes = store_.add(slopes(c, outputs));
    accept({{step}, {}, {}, [=](const binding_memory& m, std::int32_t pictures, std::vector<launch>& to) {
                const plan::extent in = m.size(-1), out = m.size(c.y);
                first_parameters p{};
                p.x = m.map(-1);
                p.y = m.map(c.y) + c.into;
                p.weights = m.weights<half8>(w.weights);
                p.bias = m.weights<float>(w.bias);
                p.slopes = m.weights<float>(w.slopes);
                p.height = in.height;
                p.width = in.width;
                p.out_height = out.height;
                p.out_width = out.width;
                p.groups = outputs / channel_step;
                p.y_channels = m.channels(c.y);
                p.written = written;
                p.stride = c.stride;
                p.pad = c.pad;
                const int tiles = divide_up(out.height, Kernel::tile_rows) * divide_up(out.width, Kernel::tile_columns);
                add_launch<Kernel>(to, pictures * tiles, 1, Kernel::shared_bytes, p);
            }});
}

void builder::add_any_block(std::int32_t step, const plan_convolution& c) {
    const int written = written_channels(c, map(c.y)), outputs = round_up(written, channel_step);
    const int inputs = stored_channels(c.inputs);
    const packed_weights w = pack(c, inputs, outputs, input_order::as_loaded);
    accept({{step}, {}, {}, [=](const binding_memory& m, std::int32_t pictures, std::vector<launch>& to) {
                auto p = block_of<any_block_parameters>(c, w, m);
                p.total = pictures * p.out_height * p.out_width;
                p.inputs = inputs;
                p.groups = outputs / channel_step;
                p.written = written;
                p.stride = c.stride;
                p.source = c.depthwise    ? block_source::depthwise
                           : c.pool_first ? block_source::pooled
                                          : block_source::plain;
                // Large tiles if there is enough work; for few pixels, channels are divided among blocks.
                const bool many = p.total >= 64 * enough_blocks(m.target());
                p.rows = many && any_block_kernel::shared_bytes(64, inputs) <= m.target().shared_bytes / 2 ? 64 : 32;
                const int across = divide_up(p.total, p.rows);
                const int along =
                    std::min<int>(divide_up(p.groups, 4),
                                  static_cast<int>(divide_up(static_cast<int>(enough_blocks(m.target())), across)));
                p.groups_of_block = divide_up(p.groups, along);
                add_launch<any_block_kernel>(to, across, divide_up(p.groups, p.groups_of_block),
                                             any_block_kernel::shared_bytes(p.rows, inputs), p);
            }});
}

void builder::add_any_convolution(std::int32_t step, const plan_convolution& c) {
    const int written = written_channels(c, map(c.y)), outputs = round_up(written, channel_step);
    const int inputs = stored_channels(c.inputs);
    const packed_weights w = pack(c, inputs, outputs, input_order::as_loaded);
    accept({{step}, {}, {}, [=](const binding_memory& m, std::int32_t pictures, std::vector<launch>& to) {
                using kernel = any_convolution_kernel;
                const plan::extent in = m.size(c.x), out = m.size(c.y);
                any_convolution_parameters p{};
                p.x = m.map(c.x);
                p.y = m.map(c.y) + c.into;
                p.weights = m.weights<half8>(w.weights);
                p.bias = m.weights<float>(w.bias);
                p.slopes = m.weights<float>(w.slopes);
                p.joined = joined_of(c, m);
                p.height = in.height;
                p.width = in.width;
                p.out_height = out.height;
                p.out_width = out.width;
                p.stride = c.stride;
                p.pad = c.pad;
                p.inputs = inputs;
                p.groups = outputs / channel_step;
                p.y_channels = m.channels(c.y);
                p.written = written;
                const int tiles = divide_up(out.height, kernel::side) * divide_up(out.width, kernel::side);
                add_launch<kernel>(to, pictures * tiles, divide_up(p.groups, kernel::groups_of_block),
                                   kernel::shared_bytes(c.stride), p);
            }});
}

result<void> builder::add(std::int32_t step, const plan_head& h) {
    const int inputs = stored_channels(h.inputs), outputs = round_up(h.outputs, channel_step);
    if (h.parts.size() > max_parts)
        return fail(errc::unsupported,
                    fmt::format("{} outputs of one map; kernels have {}", h.parts.size(), max_parts));
    if (head_kernel::shared_bytes(inputs, outputs / channel_step) > card_.shared_bytes)
        return fail(errc::unsupported,
                    fmt::format("{} channels are more than the card has shared memory for", h.inputs));
    const std::size_t weights = store_.add(
        pack_product(pad_weights(plan_.at(h.weights), 1, h.inputs, h.outputs, inputs, outputs), inputs, outputs));
    const std::size_t bias = pack_bias(h.bias, outputs);
    accept({{step}, {}, {}, [=](const binding_memory& m, std::int32_t pictures, std::vector<launch>& to) {
                head_parameters p{};
                p.x = m.map(h.x);
                p.weights = m.weights<half8>(weights);
                p.bias = m.weights<float>(bias);
                int first = 0;
                for (const plan_head::part& part : h.parts) {
                    p.parts[p.count++] = {m.vector(part.y), first, part.channels, part.interleaved, part.pairs};
                    first += part.channels;
                }
                p.inputs = inputs;
                p.groups = outputs / channel_step;
                p.cells = pixels_of(m.size(h.x));
                p.total = pictures * p.cells;
                add_launch<head_kernel>(to, divide_up(p.total, head_kernel::rows), 1,
                                        head_kernel::shared_bytes(inputs, p.groups), p);
            }});
    return {};
}

result<void> builder::add(std::int32_t step, const plan_dense& d) {
    const plan_map& x = map(d.x);
    const int channels = stored_channels(x.channels), pixels = x.height * x.width, inputs = pixels * channels;
    const std::vector<float> wide =
        pad_weights(plan_.at(d.weights), pixels, x.channels, d.outputs, channels, d.outputs);
    const std::size_t weights = store_.add(pack_product(wide, inputs, d.outputs));
    const std::size_t bias = pack_bias(d.bias, round_up(d.outputs, channel_step));
    accept({{step}, {}, {}, [=](const binding_memory& m, std::int32_t pictures, std::vector<launch>& to) {
                dense_parameters p{};
                p.x = m.map(d.x);
                p.y = m.vector(d.y);
                p.weights = m.weights<half8>(weights);
                p.bias = m.weights<float>(bias);
                p.pictures = pictures;
                p.inputs = inputs;
                p.outputs = d.outputs;
                p.length = m.length(d.y);
                add_launch<dense_kernel>(to, divide_up(divide_up(d.outputs, channel_step), dense_kernel::warps),
                                         divide_up(pictures, dense_kernel::rows), dense_kernel::shared_bytes(inputs),
                                         p);
            }});
    return {};
}

}  // namespace faceflow::internal::inference::kernels
