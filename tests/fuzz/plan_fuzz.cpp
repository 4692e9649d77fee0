// SPDX-License-Identifier: Apache-2.0
// Any bytes as a plan of a network: one whose slices, indices and sizes an engine can follow without a look, or an error.
#include <cmath>
#include <cstdint>

#include "inference/plan.hpp"

namespace {

using namespace faceflow::internal::inference;

// What an engine would follow.
class follower {
public:
    explicit follower(const plan& p) : p_(p) {}

    void operator()(const plan_convolution& c) const {
        if (c.x >= 0) map(c.x);
        const auto y = map(c.y);
        if (c.into < 0 || c.into + c.outputs > y.channels) __builtin_trap();
        weights(c.weights);
        weights(c.bias);
        if (c.depthwise) weights(c.depthwise_weights);
        if (c.depthwise) weights(c.depthwise_bias);
        if (c.act == activation::prelu) weights(c.slopes);
        if (c.join != joining::none) map(c.joined);
    }
    void operator()(const plan_head& h) const {
        map(h.x);
        weights(h.weights);
        weights(h.bias);
        for (const auto& part : h.parts) {
            if (vector(part.y).length != part.channels) __builtin_trap();
        }
    }
    void operator()(const plan_dense& d) const {
        map(d.x);
        weights(d.weights);
        if (vector(d.y).length != d.outputs) __builtin_trap();
    }
    void operator()(const plan_attention& a) const {
        map(a.x);
        weights(a.grid);
        if (vector(a.transforms).length != 8 * static_cast<std::int32_t>(a.heads.size())) __builtin_trap();
        for (const auto& head : a.heads) {
            map(head.y);
            numbers(head.spans, vector(a.base).length / 3);
        }
    }
    void operator()(const plan_mixer& m) const {
        if (vector(m.y).length != m.outputs) __builtin_trap();
        weights(m.first);
        for (const auto& product : {m.embed_points, m.embed_channels, m.head}) {
            weights(product.weights);
            weights(product.bias);
        }
        for (const auto& l : m.layers) {
            weights(l.token_norm);
            weights(l.channel_norm);
            for (const auto& product : {l.token_in, l.token_out, l.channel_in, l.channel_out})
                weights(product.weights);
        }
    }
    void operator()(const plan_landmarks& l) const {
        numbers(l.rest, vector(l.base).length / 3);
        for (const auto& iris : l.iris)
            numbers(iris, vector(l.base).length / 3);
        for (const auto& head : l.heads) {
            if (static_cast<std::int32_t>(p_.numbers_at(head.targets).size()) * 2 != vector(head.x).length)
                __builtin_trap();
            numbers(head.targets, vector(l.landmarks).length / 3);
        }
    }

private:
    const plan_map& map(tensor_index x) const {
        const auto& m = p_.maps.at(static_cast<std::size_t>(x));
        const auto [height, width] = p_.size_of(m, 1024, 1024);
        if (height < 0 || width < 0) __builtin_trap();
        return m;
    }
    const plan_vector& vector(tensor_index v) const { return p_.vectors.at(static_cast<std::size_t>(v)); }
    void weights(const plan_slice& s) const {
        for (const float w : p_.at(s)) {
            if (!std::isfinite(w)) __builtin_trap();
        }
    }
    void numbers(const plan_slice& s, std::int32_t below) const {
        for (const auto n : p_.numbers_at(s)) {
            if (n < -1 || n >= below) __builtin_trap();
        }
    }

    const plan& p_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto p = parse_plan({reinterpret_cast<const std::byte*>(data), size});
    if (!p) {
        if (p.error().message.empty()) __builtin_trap();
        return 0;
    }
    for (const auto& step : p->steps)
        std::visit(follower(*p), step);
    return 0;
}
