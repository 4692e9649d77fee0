// SPDX-License-Identifier: Apache-2.0
// A network as blocks for native engines, extracted by tools/make_plan.py from an ONNX graph. Norms, paddings and the
// scaling of colours are folded into weights, activations and residuals into the preceding block. A plan is independent
// of devices: weights are floats in plain order, and each engine packs them for its kernels.
//
// File: "ffplan1
// ", the length of a JSON text (32 bits, little-endian), 4 zero bytes, the text, zeros up to a multiple of 64, then the
// weights, each aligned to 64 from their beginning, then the numbers. The text has the fields below under their names;
// a slice is [offset, length], and "weights" and "numbers" are how many of them follow.
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

namespace faceflow::internal::inference {

// Index of a map or a vector of the plan; -1: none.
using tensor_index = std::int32_t;

// The network's input: RGB, each colour (0..1) * scale + bias. A size of 0: any multiple of `multiple`. Of a mixer: points,
// `height` times (x, y).
struct plan_input {
    std::string name;  // the name in the ONNX graph
    std::int32_t height = 0, width = 0, multiple = 1;
    float scale = 1, bias = 0;
};

// Rows, columns and channels of floats, per picture of a batch. Its size is either a fraction of the input's (down: 4
// for a quarter each way), or fixed (down: 0).
struct plan_map {
    std::string name;  // name of the equal tensor in the ONNX graph; tests compare them
    std::int32_t channels = 0;
    std::int32_t down = 0, height = 0, width = 0;
};

// Plain numbers, `length` per picture.
struct plan_vector {
    std::string name;
    std::int32_t length = 0;
};

// A slice of the plan's weights, in floats from the beginning of plan::weights; or of plan::numbers, in 32-bit
// integers.
struct plan_slice {
    std::int64_t offset = -1;
    std::int64_t length = 0;
};

enum class activation : std::uint8_t { none, relu, prelu };  // prelu: one slope per channel
enum class joining : std::uint8_t {
    none,
    same,      // a map of the same size
    pooled,    // the maximum of each 2 x 2 of a map of twice the size
    doubled,   // each value of a map of half the size four times (nearest)
    smoothed,  // a map of half the size, bilinear, half-pixel centres, clamped at the edges
};

// A convolution: kernel x kernel (1 or 3; 5 on the input) with `stride`, `pad` rows and columns of zero above and left
// of the map (below and right as many as the output's size needs), or with `depthwise` a 3 x 3 of each channel by itself
// followed by a 1 x 1. Then
//   y = act(product + bias [+ joined])          joined_first
//   y = act(product + bias) [+ joined]          otherwise
// A joined map may have fewer channels than the output: the rest gains nothing.
struct plan_convolution {
    tensor_index x = -1;  // -1: the input
    tensor_index y = -1;
    std::int32_t into = 0;  // the first channel of y that it fills
    std::int32_t kernel = 1, stride = 1, pad = 0;
    std::int32_t inputs = 0, outputs = 0;  // channels
    bool pool_first = false;               // use the maximum of each 2 x 2 of x; only with kernel 1
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

// A detector's head: a 1 x 1 convolution of x whose channels go to vectors of floats, part by part.
struct plan_head {
    struct part {
        std::string name;           // name of the ONNX graph's output
        tensor_index y = -1;        // a vector; its length is that of one cell, times the map's cells
        std::int32_t channels = 0;  // the convolution's next channels
        bool interleaved = false;   // cell by cell; otherwise one plane per channel
        bool pairs = false;         // softmax of channel k and k + channels / 2
    };
    tensor_index x = -1;
    std::int32_t inputs = 0, outputs = 0;
    plan_slice weights, bias;  // [inputs][outputs], [outputs]
    std::vector<part> parts;
};

// The product of a whole map with a matrix.
struct plan_dense {
    tensor_index x = -1, y = -1;           // a map of a fixed size; a vector
    std::int32_t inputs = 0, outputs = 0;  // inputs: rows x columns x channels, in this order
    plan_slice weights, bias;              // [inputs][outputs], [outputs]
};

// The attention mesh's second look: for each head, the square of `side` x `side` samples that spans its landmarks,
// turned like the line from landmark `from` to `to`; bilinear samples of `x`, zero beyond the centres of its outermost
// pixels. The 468 landmarks (x, y, z, in pixels of the input) are at the beginning of `base`. The transform of each
// head (2 rows of 4, from grid to map pixels) goes to `transforms`.
struct plan_attention {
    struct head {
        tensor_index y = -1;
        std::int32_t from = 0, to = 0;
        plan_slice spans;  // numbers: the landmarks that it spans
    };
    tensor_index x = -1, base = -1, transforms = -1;
    std::int32_t side = 0;
    float margin = 1.5f;  // side length relative to the extent of the landmarks
    plan_slice grid;      // [4][side * side]
    std::vector<head> heads;
};

// The landmarks of the attention mesh: those of `base`, except those that a head has refined, which its transform maps
// back to the picture; and two irises, each at the mean depth of 16 landmarks of `base`. Points of a head are in pixels
// of the input, relative to the centre of its untilted square: only the transform's offset is scaled from the map to
// the input.
struct plan_landmarks {
    struct refined {
        tensor_index x = -1;    // a vector of points (x, y)
        std::int32_t head = 0;  // the head whose transform maps them back
        plan_slice targets;     // numbers: the target of each of its points, or -1
    };
    tensor_index base = -1, transforms = -1;
    tensor_index landmarks = -1, score = -1;  // vectors of 3 x 478 and 1; the score is number 1404 of base
    std::vector<refined> heads;
    plan_slice rest;                 // numbers: for each of the 478, the landmark of base that it equals, or -1
    std::array<plan_slice, 2> iris;  // numbers: the landmarks whose mean depth each iris takes
};

// An MLP-Mixer (Tolstikhin et al., 2021) over a set of points, such as MediaPipe's model of blendshapes; the only step of
// its plan. The input holds `points` times (x, y). In matrices, with norm(v) = (v - mean) / sqrt(variance + epsilon) of
// each token:
//   p = scale * (points - their mean) / the mean of their lengths           [points][2]
//   x = `first`, then ((p' embed_points)' embed_channels)                   [tokens][channels]
//   of each layer: x += (relu((norm(x) token_norm)' token_in) token_out)'
//                  x += relu((norm(x) channel_norm) channel_in) channel_out
//   y = sigmoid(x[0] head)                                                  [outputs]
// Every product adds its bias.
struct plan_mixer {
    struct product {
        plan_slice weights, bias;  // [inputs][outputs], [outputs]
    };
    struct layer {
        plan_slice token_norm, channel_norm;  // [channels]
        product token_in, token_out, channel_in, channel_out;
    };
    tensor_index y = -1;
    std::int32_t points = 0, tokens = 0, channels = 0, token_hidden = 0, channel_hidden = 0, outputs = 0;
    float scale = 1, epsilon = 0;
    product embed_points, embed_channels, head;
    plan_slice first;  // [channels]
    std::vector<layer> layers;
};

using plan_step = std::variant<plan_convolution, plan_head, plan_dense, plan_attention, plan_landmarks, plan_mixer>;

struct plan {
    std::string model_sha256;  // of the ONNX file that it was made from
    plan_input input;
    std::vector<plan_map> maps;
    std::vector<plan_vector> vectors;
    std::vector<plan_step> steps;  // in order
    std::vector<float> weights;
    std::vector<std::int32_t> numbers;

    // The network's only step if that is a mixer; else null: its input is then a picture.
    [[nodiscard]] const plan_mixer* mixer() const noexcept;
    [[nodiscard]] std::span<const float> at(const plan_slice& s) const;
    [[nodiscard]] std::span<const std::int32_t> numbers_at(const plan_slice& s) const;
    // Numbers of one picture of the input, as the host's kernels take it.
    [[nodiscard]] std::int64_t input_length(std::int32_t input_height, std::int32_t input_width) const {
        return std::int64_t{mixer() != nullptr ? 1 : 3} * input_height * input_width;
    }
    // The rows and columns of a map for an input of that size.
    struct extent {
        std::int32_t height = 0, width = 0;
    };
    [[nodiscard]] extent size_of(const plan_map& m, std::int32_t input_height, std::int32_t input_width) const;
    // For each vector: the map whose cells determine its length, if a head fills it cell by cell; else -1.
    [[nodiscard]] std::vector<tensor_index> maps_of_vectors() const;
    // errc::invalid_argument for pictures that the network does not accept.
    [[nodiscard]] result<void> check_input(std::int32_t input_height, std::int32_t input_width,
                                           std::int32_t pictures) const;
};

// Reads a plan and checks all of it: indices, channels, slices, consistent sizes. Safe on any bytes. errc::corrupt says
// what is wrong.
[[nodiscard]] result<plan> parse_plan(std::span<const std::byte> bytes);

// Loads the plan beside a model: NAME.plan beside NAME.onnx. errc::not_found if there is none; errc::corrupt if it is
// invalid, or was made from another model.
[[nodiscard]] result<plan> load_plan(const std::filesystem::path& model, std::string_view model_sha256);

}  // namespace faceflow::internal::inference
