// SPDX-License-Identifier: Apache-2.0
// All kernels, in groups that are compiled separately. A launch names its kernel by group and number: the runner has a
// table with the same order, of CUDA functions or of the emulation's.
#pragma once

#include <type_traits>

#include "inference/kernels/any_block.hpp"
#include "inference/kernels/any_convolution.hpp"
#include "inference/kernels/block.hpp"
#include "inference/kernels/chain.hpp"
#include "inference/kernels/dense.hpp"
#include "inference/kernels/head.hpp"
#include "inference/kernels/levels.hpp"
#include "inference/kernels/mixer.hpp"
#include "inference/kernels/stage.hpp"
#include "inference/kernels/stem.hpp"

namespace faceflow::internal::inference::kernels {

template <class... Kernels>
struct kernel_list {
    static constexpr std::size_t size = sizeof...(Kernels);
};

// Of one shape; more pixels per block of threads if there are enough.
template <int Inputs, int Outputs, int Stride, int... Rows>
using blocks_of = kernel_list<block_kernel<Inputs, Outputs, Stride, Rows>...>;

template <class... Lists>
struct joined_lists;
template <class... Kernels>
struct joined_lists<kernel_list<Kernels...>> {
    using type = kernel_list<Kernels...>;
};
template <class... A, class... B, class... Rest>
struct joined_lists<kernel_list<A...>, kernel_list<B...>, Rest...> : joined_lists<kernel_list<A..., B...>, Rest...> {};

using small_blocks =
    joined_lists<blocks_of<32, 32, 1, 128, 64, 32>, blocks_of<32, 64, 2, 64, 32>, blocks_of<64, 64, 1, 64, 32>,
                 blocks_of<64, 128, 2, 64, 32, 16>, blocks_of<64, 32, 0, 64, 32>>::type;
using large_blocks =
    joined_lists<blocks_of<128, 128, 1, 64, 32, 16>, blocks_of<128, 64, 2, 64, 32>, blocks_of<256, 64, 1, 64, 32>,
                 blocks_of<256, 64, 0, 64, 32>, blocks_of<256, 32, 0, 64, 32>, blocks_of<128, 32, 0, 64, 32>>::type;
using front_kernels = kernel_list<stem_kernel, stage_kernel<16, 32, 8, true, 256>, stage_kernel<32, 64, 8, false, 256>,
                                  stage_kernel<32, 64, 4, false, 128>, stage_kernel<64, 128, 4, false, 128>>;
using level_kernels =
    kernel_list<levels_kernel<64, 64, 16, false>, levels_kernel<64, 64, 8, false>, levels_kernel<64, 48, 16, false>,
                levels_kernel<64, 48, 8, false>, levels_kernel<16, 32, 8, false>, levels_kernel<16, 16, 8, true>>;
using chain_kernels = kernel_list<body_chain, look_chain, point_chain>;
using any_kernels = kernel_list<first_kernel<3>, first_kernel<5>, any_block_kernel, any_convolution_kernel, head_kernel,
                                dense_kernel, attention_kernel, landmarks_kernel, mixer_kernel>;

enum class kernel_group : std::uint8_t { few_channels, many_channels, front, levels, chains, any };
constexpr std::size_t kernel_groups = 6;

struct kernel_id {
    kernel_group group{};
    std::uint8_t number = 0;
    friend bool operator==(kernel_id a, kernel_id b) { return a.group == b.group && a.number == b.number; }
};

template <class Kernel, class... Kernels>
constexpr int number_in(kernel_list<Kernels...>) {
    constexpr bool same[] = {std::is_same_v<Kernel, Kernels>...};
    for (std::size_t i = 0; i < sizeof...(Kernels); ++i)
        if (same[i]) return static_cast<int>(i);
    return -1;
}

template <class Kernel>
constexpr kernel_id id_of() {
    constexpr int numbers[kernel_groups] = {number_in<Kernel>(small_blocks{}),  number_in<Kernel>(large_blocks{}),
                                            number_in<Kernel>(front_kernels{}), number_in<Kernel>(level_kernels{}),
                                            number_in<Kernel>(chain_kernels{}), number_in<Kernel>(any_kernels{})};
    constexpr std::size_t group = [&] {
        for (std::size_t g = 0; g < kernel_groups; ++g)
            if (numbers[g] >= 0) return g;
        return kernel_groups;
    }();
    static_assert(group < kernel_groups, "no list has this kernel");
    return {static_cast<kernel_group>(group), static_cast<std::uint8_t>(numbers[group])};
}

}  // namespace faceflow::internal::inference::kernels
