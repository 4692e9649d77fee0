// SPDX-License-Identifier: Apache-2.0
// Networks that our own kernels run, what they look at in tests, and what ONNX Runtime makes of it.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "inference/catalogue.hpp"
#include "inference/plan.hpp"
#include "inference/session.hpp"
#include "media/source.hpp"
#include "onnxruntime_testing.hpp"
#include "support.hpp"
#include "vision/sample.hpp"

namespace faceflow::internal::test {

// A network, its graph with all tensors as outputs, and what it looks at here.
struct subject {
    std::string name;
    std::filesystem::path model, all_outputs;
    std::int32_t height, width;
    std::vector<float> graph_range;  // that of its colours in the graph
};

inline subject mesh_subject() {
    return {"mesh",
            checkout() / "models/face_landmark_with_attention.onnx",
            program("face_landmark_with_attention_all.onnx"),
            192,
            192,
            {0, 1}};
}
inline subject blazeface_subject() {
    return {"blazeface",
            checkout() / "models/face_detection_full_range.onnx",
            program("face_detection_full_range_all.onnx"),
            192,
            192,
            {-1, 1}};
}
// Of 160 x 96, the last map is 5 x 3: no multiple of anything.
inline subject retinaface_subject(std::int32_t height = 96, std::int32_t width = 160) {
    return {"retinaface",
            checkout() / "assets/models/retinaface_mnet25.onnx",
            program("retinaface_mnet25_all.onnx"),
            height,
            width,
            {0, 255}};
}

// What the product samples from a picture, as colours of 0..1: rows, columns, colours.
inline std::vector<float> sampled(const image& picture, const vision::affine& to_frame, std::int32_t height,
                                  std::int32_t width) {
    std::vector<float> planar(static_cast<std::size_t>(3 * height * width));
    vision::sample(vision::make_sampling_source(picture), to_frame, vision::planes(planar.data(), width, height));
    std::vector<float> rgb(planar.size());
    const std::size_t pixels = planar.size() / 3;
    for (std::size_t i = 0; i < pixels; ++i)
        for (std::size_t c = 0; c < 3; ++c)
            rgb[i * 3 + c] = planar[c * pixels + i];
    return rgb;
}

// One of the crops of the goldens, by the product's own decoding; in the middle of a frame of that size.
inline std::vector<float> crop(int number, std::int32_t height, std::int32_t width) {
    auto source = media::open_source(
        (std::filesystem::path(FACEFLOW_TEST_DATA) / "goldens" / ("crop" + std::to_string(number) + ".png")).string(),
        {});
    EXPECT_OK(source);
    auto read = (*source)->next();
    EXPECT_OK(read);
    const image& picture = (*read)->frame.picture;
    // Frame pixels from tensor pixels: the crop's height fills the frame's.
    const float scale = static_cast<float>(picture.height) / static_cast<float>(height);
    const float left = (static_cast<float>(picture.width) - scale * static_cast<float>(width)) / 2;
    return sampled(picture, {scale, 0, left, 0, scale, 0}, height, width);
}

// What the graph makes of a picture.
class graph_reference {
public:
    explicit graph_reference(const subject& s) : subject_(s) {
        auto runtime = inference::runtime::create({1});
        EXPECT_OK(runtime);
        auto session = (*runtime)->load(s.all_outputs, inference::threading::caller);
        EXPECT_OK(session);
        session_ = *session;
        auto shapes = session_->output_shapes({1, 3, s.height, s.width});
        EXPECT_OK(shapes);
        shapes_ = *shapes;
    }

    struct tensor {
        std::vector<std::int64_t> shape;
        std::vector<float> values;
    };

    void run(const std::vector<float>& rgb) {
        const std::size_t pixels = rgb.size() / 3;
        std::vector<float> planar(rgb.size());
        const float low = subject_.graph_range[0], high = subject_.graph_range[1];
        for (std::size_t i = 0; i < pixels; ++i)
            for (std::size_t c = 0; c < 3; ++c)
                planar[c * pixels + i] = rgb[i * 3 + c] * (high - low) + low;
        std::vector<inference::bound_tensor> outputs;
        for (std::size_t i = 0; i < shapes_.size(); ++i) {
            const std::string& name = session_->outputs()[i].name;
            std::size_t n = 1;
            for (const std::int64_t d : shapes_[i])
                n *= static_cast<std::size_t>(d);
            tensors_[name] = {shapes_[i], std::vector<float>(n)};
            outputs.push_back({name, tensors_[name].values.data(), shapes_[i]});
        }
        const inference::bound_tensor input{
            session_->inputs().front().name, planar.data(), {1, 3, subject_.height, subject_.width}};
        auto bound = session_->bind({&input, 1}, outputs);
        EXPECT_OK(bound);
        EXPECT_OK((*bound)->run());
    }

    const tensor* find(const std::string& name) const {
        const auto at = tensors_.find(name);
        return at == tensors_.end() ? nullptr : &at->second;
    }
    // Rows, columns, channels; empty for a name that the graph does not have.
    std::vector<float> map(const std::string& name, std::int32_t channels) const {
        const tensor* const t = find(name);
        if (t == nullptr || t->values.empty()) return {};
        const auto count = static_cast<std::size_t>(channels);
        const std::size_t pixels = t->values.size() / count;
        std::vector<float> out(t->values.size());
        for (std::size_t i = 0; i < pixels; ++i)
            for (std::size_t c = 0; c < count; ++c)
                out[i * count + c] = t->values[c * pixels + i];
        return out;
    }
    // "a+b" is b behind a.
    std::vector<float> vector(const std::string& name) const {
        std::vector<float> all;
        std::stringstream parts(name);
        for (std::string part; std::getline(parts, part, '+');) {
            const tensor* const t = find(part);
            if (t == nullptr) return {};
            all.insert(all.end(), t->values.begin(), t->values.end());
        }
        return all;
    }

private:
    subject subject_;
    std::shared_ptr<inference::session> session_;
    std::vector<std::vector<std::int64_t>> shapes_;
    std::map<std::string, tensor> tensors_;
};

// The root of the sum of squares of the differences, for that of `b`; not a number when one of `a` is none.
inline double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
    EXPECT_EQ(a.size(), b.size());
    if (a.size() != b.size()) return 1;
    double difference = 0, size = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        difference += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
        size += static_cast<double>(b[i]) * b[i];
    }
    return std::sqrt(difference / std::max(size, 1e-12));
}

inline bool missing(const subject& s) {
    return !std::filesystem::exists(s.model) || !std::filesystem::exists(s.all_outputs);
}

inline inference::plan plan_of(const subject& s) {
    auto hash = inference::sha256_of(s.model);
    EXPECT_OK(hash);
    auto loaded = inference::load_plan(s.model, *hash);
    EXPECT_OK(loaded);
    return *std::move(loaded);
}

}  // namespace faceflow::internal::test
