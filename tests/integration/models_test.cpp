// SPDX-License-Identifier: Apache-2.0
// The models as faceflow runs them, held to the outputs of the original runtimes (tests/data/goldens).
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "inference/catalogue.hpp"
#include "inference/session.hpp"
#include "media/source.hpp"
#include "onnxruntime_testing.hpp"
#include "support.hpp"
#include "vision/sample.hpp"

namespace faceflow::internal {
namespace {

namespace fs = std::filesystem;
const fs::path goldens = fs::path(FACEFLOW_TEST_DATA) / "goldens";

std::shared_ptr<inference::session> load(const fs::path& file) {
    auto runtime = inference::runtime::create({1});
    EXPECT_OK(runtime);
    auto session = (*runtime)->load(test::checkout() / "models" / file, inference::threading::caller);
    EXPECT_OK(session);
    return *session;
}

// Runs a model on one input and returns its outputs in the session's order.
std::vector<std::vector<float>> outputs_of(const std::shared_ptr<inference::session>& s, std::vector<float>& input,
                                           std::int64_t batch = 1) {
    const auto side = static_cast<std::int64_t>(
        std::lround(std::sqrt(static_cast<double>(input.size()) / 3 / static_cast<double>(batch))));
    const std::vector<std::int64_t> shape{batch, 3, side, side};
    const auto shapes = s->output_shapes(shape);
    EXPECT_OK(shapes);
    std::vector<std::vector<float>> out;
    std::vector<inference::bound_tensor> bound;
    for (std::size_t i = 0; i < shapes->size(); ++i) {
        std::size_t n = 1;
        for (const auto d : (*shapes)[i])
            n *= static_cast<std::size_t>(d);
        out.emplace_back(n);
    }
    for (std::size_t i = 0; i < shapes->size(); ++i)
        bound.push_back({s->outputs()[i].name, out[i].data(), (*shapes)[i]});
    const inference::bound_tensor in{s->inputs().front().name, input.data(), shape};
    auto binding = s->bind({&in, 1}, bound);
    EXPECT_OK(binding);
    EXPECT_OK((*binding)->run());
    return out;
}

std::size_t index_of(const inference::session& s, const std::string& output) {
    for (std::size_t i = 0; i < s.outputs().size(); ++i) {
        if (s.outputs()[i].name == output) return i;
    }
    ADD_FAILURE() << "no output " << output;
    return 0;
}

// The picture through the product's own decoding and sampling.
std::vector<float> tensor_of(const fs::path& png) {
    auto source = media::open_source(png.string(), {});
    EXPECT_OK(source);
    auto read = (*source)->next();
    EXPECT_OK(read);
    const image& picture = (*read)->frame.picture;
    std::vector<float> out(static_cast<std::size_t>(3 * picture.width * picture.height));
    vision::sample(vision::make_sampling_source(picture), {},
                   vision::planes(out.data(), picture.width, picture.height));
    return out;
}

std::vector<float> numbers(const nlohmann::json& j) {
    if (j.is_number()) return {j.get<float>()};
    std::vector<float> all;
    for (const auto& x : j) {
        const auto part = numbers(x);
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

float worst(const std::vector<float>& a, const std::vector<float>& b) {
    EXPECT_EQ(a.size(), b.size());
    float w = 0;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
        w = std::max(w, std::abs(a[i] - b[i]));
    return w;
}

TEST(golden_outputs, attention_mesh_matches_mediapipe_within_half_a_pixel) {
    SKIP_WITHOUT_ONNXRUNTIME();
    const auto model = load("face_landmark_with_attention.onnx");
    for (const char* name : {"crop0", "crop1", "crop2"}) {
        auto input = tensor_of(goldens / (std::string(name) + ".png"));
        const auto out = outputs_of(model, input);
        const auto golden =
            numbers(nlohmann::json::parse(test::contents(goldens / (std::string(name) + ".landmarks478.json"))));
        const float error = worst(out[index_of(*model, "landmarks")], golden);
        EXPECT_LE(error, 0.5f) << name;
        EXPECT_LE(error, 1e-3f) << name << ": the conversion itself is exact to far less than the promise";
    }
}

TEST(golden_outputs, plain_mesh_matches_its_original_runtime) {
    SKIP_WITHOUT_ONNXRUNTIME();
    const auto model = load("face_landmark.onnx");
    for (const char* name : {"crop0", "crop1", "crop2"}) {
        auto input = tensor_of(goldens / (std::string(name) + ".png"));
        const auto golden =
            numbers(nlohmann::json::parse(test::contents(goldens / (std::string(name) + ".landmarks468.json"))));
        EXPECT_LE(worst(outputs_of(model, input)[index_of(*model, "landmarks")], golden), 1e-3f) << name;
    }
}

TEST(golden_outputs, full_range_detector_matches_its_original_runtime) {
    SKIP_WITHOUT_ONNXRUNTIME();
    const auto model = load("face_detection_full_range.onnx");
    for (const char* name : {"full_range0", "full_range1"}) {
        const auto interleaved = test::binary_file<float>(goldens / (std::string(name) + ".input.f32"));
        std::vector<float> planar(interleaved.size());
        const std::size_t area = planar.size() / 3;
        for (std::size_t i = 0; i < area; ++i) {
            for (std::size_t k = 0; k < 3; ++k)
                planar[k * area + i] = interleaved[3 * i + k];
        }
        const auto out = outputs_of(model, planar);
        EXPECT_LE(worst(out[index_of(*model, "boxes")],
                        test::binary_file<float>(goldens / (std::string(name) + ".boxes.f32"))),
                  2e-3f);
        EXPECT_LE(worst(out[index_of(*model, "scores")],
                        test::binary_file<float>(goldens / (std::string(name) + ".scores.f32"))),
                  2e-3f);
    }
}

TEST(batched_mesh, gives_each_face_what_it_gets_alone) {
    SKIP_WITHOUT_ONNXRUNTIME();
    const auto model = load("face_landmark_with_attention.onnx");
    std::vector<float> both;
    std::vector<std::vector<float>> alone;
    for (const char* name : {"crop0", "crop1"}) {
        auto input = tensor_of(goldens / (std::string(name) + ".png"));
        both.insert(both.end(), input.begin(), input.end());
        alone.push_back(outputs_of(model, input)[index_of(*model, "landmarks")]);
    }
    const auto batch = outputs_of(model, both, 2)[index_of(*model, "landmarks")];
    const std::vector<float> first(batch.begin(), batch.begin() + 478 * 3),
        second(batch.begin() + 478 * 3, batch.end());
    EXPECT_LE(worst(first, alone[0]), 1e-4f);
    EXPECT_LE(worst(second, alone[1]), 1e-4f);
}

TEST(model_store, verifies_the_committed_models) {
    auto store = inference::model_store::open();
    ASSERT_OK(store);
    for (const auto& e : store->entries()) {
        const auto path = store->find(e);
        if (!path && e.id.starts_with("retinaface")) continue;  // fetched at set-up
        if (!path && !e.bundle.empty()) continue;               // brought by the user
        ASSERT_OK(path);
        EXPECT_EQ(*inference::sha256_of(*path), e.sha256) << e.id;
    }
}

}  // namespace
}  // namespace faceflow::internal
