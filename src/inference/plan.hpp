// SPDX-License-Identifier: Apache-2.0
// A network as blocks that engines of our own run: what tools/make_plan.py finds in an ONNX graph. Norms, paddings and
// the scaling of colours are folded into weights, activations and residuals into the block before them. A plan knows no
// device: weights are floats in plain order, and each engine packs them as its kernels like them.
//
// File: "ffplan1\n", the length of a JSON text (32 bits, little-endian), 4 bytes of zero, that text, zeros up to a
// multiple of 64, then the weights, each at a multiple of 64 from their beginning, then the numbers. The text has the
// fields below under their names; a slice is [offset, length], and "weights" and "numbers" are how many of them follow.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "faceflow/result.hpp"

namespace faceflow::inference {

// Index of a map or a vector of the plan; -1: none.
using tensor_index = std::int32_t;

// What the network looks at: RGB, each colour (0..1) * scale + bias. A size of 0: any multiple of `multiple`.
struct plan_input {
    std::string name;  // as the ONNX graph calls it
    std::int32_t height = 0, width = 0, multiple = 1;
    float scale = 1, bias = 0;
};

// Rows, columns and channels of floats; for each picture of a batch one. Either a fraction of the input's size (down: 4
// for a quarter each way), or of a fixed size (down: 0).
struct plan_map {
    std::string name;  // of the tensor of the ONNX graph that it equals; what tests compare
    std::int32_t channels = 0;
    std::int32_t down = 0, height = 0, width = 0;
};

// Plain numbers, for each picture so many.
struct plan_vector {
    std::string name;
    std::int32_t length = 0;
};

// Weights in the plan, in floats from the beginning of plan::weights; or in 32-bit integers of plan::numbers.
struct plan_slice {
    std::int64_t offset = -1;
    std::int64_t length = 0;
};

enum class activation : std::uint8_t { none, relu, prelu };  // prelu: a slope for each channel
enum class joining : std::uint8_t {
    none,
    same,      // a map of the same size
    pooled,    // the larger of each 2 x 2 of a map of twice the size
    doubled,   // each value of a map of half the size four times (nearest)
    smoothed,  // a map of half the size, bilinear, half-pixel centres, clamped at the edges
};

// A convolution: kernel x kernel (1 or 3) with `stride`, `pad` rows and columns of zero above and left of the map
// (below and right as many as the output's size needs), or with `depthwise` a 3 x 3 of each channel by itself followed
// by a 1 x 1. Then
//   y = act(product + bias [+ joined])          joined_first
//   y = act(product + bias) [+ joined]          otherwise
// A joined map may have fewer channels than the output: the rest gains nothing.
struct plan_convolution {
    tensor_index x = -1;  // -1: the input
    tensor_index y = -1;
    std::int32_t into = 0;  // the first channel of y that it fills
    std::int32_t kernel = 1, stride = 1, pad = 0;
    std::int32_t inputs = 0, outputs = 0;  // channels
    bool pool_first = false;               // of each 2 x 2 of x the largest value; with kernel 1 alone
    bool depthwise = false, depthwise_relu = false;
    plan_slice depthwise_weights;  // [3][3][inputs]
    plan_slice depthwise_bias;     // [inputs]
    plan_slice weights;            // [kernel][kernel][inputs][outputs]
    plan_slice bias;               // [outputs]
    activation act = activation::none;
    plan_slice slopes;  // [outputs], with prelu
    joining join = joining::none;
    tensor_index joined = -1;
    bool joined_first = false;
};

// What a detector gives: a 1 x 1 convolution of x whose channels go to vectors of floats, part by part.
struct plan_head {
    struct part {
        std::string name;           // of the ONNX graph's output
        tensor_index y = -1;        // a vector; its length is that of one cell, times the map's cells
        std::int32_t channels = 0;  // the next of the convolution's
        bool interleaved = false;   // cell by cell; otherwise a plane for each channel
        bool pairs = false;         // softmax of channel k and k + channels / 2
    };
    tensor_index x = -1;
    std::int32_t inputs = 0, outputs = 0;
    plan_slice weights, bias;  // [inputs][outputs], [outputs]
    std::vector<part> parts;
};

// A product of all of a map with a matrix.
struct plan_dense {
    tensor_index x = -1, y = -1;           // a map of a fixed size; a vector
    std::int32_t inputs = 0, outputs = 0;  // inputs: rows x columns x channels, in this order
    plan_slice weights, bias;              // [inputs][outputs], [outputs]
};

// Where the attention mesh looks again: for each head the square of `side` x `side` samples that spans its landmarks,
// turned as the line from landmark `from` to `to`; bilinear samples of `x`, zero beyond the centres of its outermost
// pixels. From the 468 landmarks (x, y, z, in pixels of the input) at the beginning of `base`. The transform of each
// head (2 rows of 4, map pixels from grid) goes to `transforms`.
struct plan_attention {
    struct head {
        tensor_index y = -1;
        std::int32_t from = 0, to = 0;
        plan_slice spans;  // numbers: the landmarks that it spans
    };
    tensor_index x = -1, base = -1, transforms = -1;
    std::int32_t side = 0;
    float margin = 1.5f;  // how many times as long as the extent of the landmarks a side is
    plan_slice grid;      // [4][side * side]
    std::vector<head> heads;
};

// The landmarks of the attention mesh: those of `base`, but for those that a head has refined, which its transform
// brings back into the picture; and two irises, each as deep as the mean of 16 of `base`. Points of a head are in
// pixels of the input, from the square's centre when it is level: only the transform's offset is scaled from the map to
// the input.
struct plan_landmarks {
    struct refined {
        tensor_index x = -1;    // a vector of points (x, y)
        std::int32_t head = 0;  // whose transform brings them back
        plan_slice targets;     // numbers: where each of its points goes, or -1
    };
    tensor_index base = -1, transforms = -1;
    tensor_index landmarks = -1, score = -1;  // vectors of 3 x 478 and 1; the score is number 1404 of base
    std::vector<refined> heads;
    plan_slice rest;                 // numbers: for each of the 478 the landmark of base that it is, or -1
    std::array<plan_slice, 2> iris;  // numbers: the landmarks whose mean depth the first, and the second, iris takes
};

using plan_step = std::variant<plan_convolution, plan_head, plan_dense, plan_attention, plan_landmarks>;

struct plan {
    std::string model_sha256;  // of the ONNX file that it was made from
    plan_input input;
    std::vector<plan_map> maps;
    std::vector<plan_vector> vectors;
    std::vector<plan_step> steps;  // in order
    std::vector<float> weights;
    std::vector<std::int32_t> numbers;

    [[nodiscard]] std::span<const float> at(const plan_slice& s) const;
    [[nodiscard]] std::span<const std::int32_t> numbers_at(const plan_slice& s) const;
    // Rows and columns of a map for an input of that size.
    struct extent {
        std::int32_t height = 0, width = 0;
    };
    [[nodiscard]] extent size_of(const plan_map& m, std::int32_t input_height, std::int32_t input_width) const;
    // Of the vectors, those that a head fills cell by cell are so many cells long: the map whose cells they are, or -1.
    [[nodiscard]] std::vector<tensor_index> maps_of_vectors() const;
    // errc::invalid_argument for pictures that the network does not take.
    [[nodiscard]] result<void> check_input(std::int32_t input_height, std::int32_t input_width,
                                           std::int32_t pictures) const;
};

// Reads a plan and checks all of it: indices, channels, slices, sizes that fit each other. Safe on any bytes.
// errc::corrupt says what is wrong.
[[nodiscard]] result<plan> parse_plan(std::span<const std::byte> bytes);

// The plan beside a model: NAME.plan beside NAME.onnx. errc::not_found where there is none; errc::corrupt when it is
// none, or was made from a model with other bytes.
[[nodiscard]] result<plan> load_plan(const std::filesystem::path& model, std::string_view model_sha256);

}  // namespace faceflow::inference
