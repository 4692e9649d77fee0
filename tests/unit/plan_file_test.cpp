// SPDX-License-Identifier: Apache-2.0
// Plans as files: what is read, and how anything that makes no sense is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "inference/catalogue.hpp"
#include "inference/plan.hpp"
#include "support.hpp"

namespace faceflow::internal::inference {
namespace {

using nlohmann::json;
using testing::HasSubstr;

template <class T>
void append(std::vector<std::byte>& to, const std::vector<T>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    to.insert(to.end(), bytes.begin(), bytes.end());
}

// A plan before it is bytes.
struct plan_text {
    json text;
    std::vector<float> weights;
    std::vector<std::int32_t> numbers;

    [[nodiscard]] std::vector<std::byte> bytes(const std::string& as_text) const {
        std::vector<std::byte> to;
        append(to, std::vector<char>{'f', 'f', 'p', 'l', 'a', 'n', '1', '\n'});
        append(to, std::vector{static_cast<std::uint32_t>(as_text.size()), 0u});
        append(to, std::vector<char>(as_text.begin(), as_text.end()));
        to.resize((to.size() + 63) / 64 * 64);
        append(to, weights);
        append(to, numbers);
        return to;
    }
    [[nodiscard]] std::vector<std::byte> bytes() const { return bytes(text.dump()); }

    static plan_text of(const plan& p, std::span<const std::byte> file) {
        std::uint32_t length = 0;
        std::memcpy(&length, file.data() + 8, sizeof length);
        return {json::parse(std::string(reinterpret_cast<const char*>(file.data()) + 16, length)), p.weights,
                p.numbers};
    }
};

// A detector of any size: a convolution, one with a depthwise one, one that another map joins, and a head.
plan_text detector() {
    plan_text p;
    p.weights.resize(1024);
    std::iota(p.weights.begin(), p.weights.end(), 0.0f);
    p.text = json::parse(R"({
        "model_sha256": "of a model",
        "input": {"name": "data", "height": 0, "width": 0, "multiple": 4, "scale": 2, "bias": -1},
        "maps": [{"name": "a", "channels": 4, "down": 2}, {"name": "b", "channels": 8, "down": 4},
                 {"name": "c", "channels": 9, "down": 2}],
        "vectors": [{"name": "v", "length": 2}, {"name": "w", "length": 6}],
        "steps": [
            {"kind": "convolution", "x": -1, "y": 0, "into": 0, "kernel": 3, "stride": 2, "pad": 1, "inputs": 3, "outputs": 4,
             "weights": [0, 108], "bias": [112, 4], "act": "relu"},
            {"kind": "convolution", "x": 0, "y": 1, "into": 0, "kernel": 1, "stride": 2, "pad": 1, "inputs": 4, "outputs": 8,
             "depthwise": true, "depthwise_relu": true, "depthwise_weights": [128, 36], "depthwise_bias": [176, 4],
             "weights": [192, 32], "bias": [224, 8], "act": "prelu", "slopes": [240, 8]},
            {"kind": "convolution", "x": 0, "y": 2, "into": 0, "kernel": 1, "stride": 1, "pad": 0, "inputs": 4, "outputs": 8,
             "weights": [256, 32], "bias": [288, 8], "act": "none", "join": "doubled", "joined": 1, "joined_first": false},
            {"kind": "convolution", "x": 0, "y": 2, "into": 8, "kernel": 1, "stride": 1, "pad": 0, "inputs": 4, "outputs": 1,
             "weights": [304, 4], "bias": [320, 1], "act": "none"},
            {"kind": "head", "x": 2, "inputs": 9, "outputs": 8, "weights": [336, 72], "bias": [416, 8],
             "parts": [{"name": "v", "y": 0, "channels": 2, "pairs": true},
                       {"name": "w", "y": 1, "channels": 6, "interleaved": true}]}],
        "weights": 1024, "numbers": 0})");
    return p;
}

// Of the models' folder.
plan_text committed(const std::string& name) {
    const auto text = test::contents(test::checkout() / "models" / name);
    const auto bytes = std::as_bytes(std::span(text));
    auto p = parse_plan(bytes);
    EXPECT_OK(p);
    return p ? plan_text::of(*p, bytes) : plan_text{};
}

struct nonsense {
    const char* message;
    std::function<void(plan_text&)> change;
};

void expect_refused(const plan_text& whole, const std::vector<nonsense>& all) {
    for (const auto& n : all) {
        plan_text changed = whole;
        n.change(changed);
        const auto p = parse_plan(changed.bytes());
        ASSERT_FALSE(p) << n.message;
        EXPECT_EQ(p.error().code, errc::corrupt);
        EXPECT_THAT(p.error().message, HasSubstr(n.message));
    }
}

json& step(plan_text& p, std::size_t i) {
    return p.text["steps"][i];
}

TEST(a_plan, is_read_as_it_was_written) {
    const auto p = parse_plan(detector().bytes());
    ASSERT_OK(p);
    EXPECT_EQ(p->model_sha256, "of a model");
    EXPECT_EQ(p->input.multiple, 4);
    EXPECT_EQ(p->input.scale, 2.0f);
    EXPECT_EQ(p->input.bias, -1.0f);
    ASSERT_EQ(p->steps.size(), 5u);
    const auto& block = std::get<plan_convolution>(p->steps[1]);
    EXPECT_TRUE(block.depthwise && block.depthwise_relu && !block.pool_first);
    EXPECT_EQ(block.act, activation::prelu);
    EXPECT_EQ(p->at(block.slopes).front(), 240.0f);
    EXPECT_EQ(p->at(block.slopes).size(), 8u);
    const auto& last = std::get<plan_convolution>(p->steps[2]);
    EXPECT_EQ(last.join, joining::doubled);
    EXPECT_EQ(last.joined, 1);
    const auto& head = std::get<plan_head>(p->steps[4]);
    EXPECT_TRUE(head.parts[0].pairs && !head.parts[0].interleaved);
    EXPECT_TRUE(head.parts[1].interleaved && !head.parts[1].pairs);
}

TEST(a_plan, gives_maps_the_size_that_an_input_makes_them) {
    const auto p = parse_plan(detector().bytes());
    ASSERT_OK(p);
    EXPECT_EQ(p->size_of(p->maps[1], 384, 640).height, 96);
    EXPECT_EQ(p->size_of(p->maps[1], 384, 640).width, 160);
    EXPECT_EQ(p->size_of({"", 1, 0, 3, 5}, 384, 640).width, 5);
}

TEST(a_plan, that_is_cut_anywhere_is_refused) {
    const auto whole = detector().bytes();
    for (std::size_t size = 0; size < whole.size(); size += size < 2000 ? 1 : 97) {
        EXPECT_FALSE(parse_plan(std::span(whole).first(size))) << size;
    }
    auto longer = whole;
    longer.push_back({});
    EXPECT_FALSE(parse_plan(longer));
}

TEST(a_plan, whose_text_is_no_object_is_refused) {
    for (const char* text : {"", "[]", "7", "{", "{}x", "\"\xff\"", "null"}) {
        EXPECT_FALSE(parse_plan(detector().bytes(text))) << text;
    }
}

TEST(a_plan, whose_text_is_nested_deeply_is_refused_before_it_is_parsed) {
    const std::string deep(500'000, '[');
    const auto p = parse_plan(detector().bytes(deep));
    ASSERT_FALSE(p);
    EXPECT_THAT(p.error().message, HasSubstr("nested too deeply"));
    // Brackets of a text are none.
    auto named = detector();
    named.text["maps"][0]["name"] = "[[[[[[[[[[\\\"[[";
    EXPECT_OK(parse_plan(named.bytes()));
}

TEST(a_plan, needs_every_field_and_each_of_its_kind) {
    expect_refused(
        detector(),
        {{"'model_sha256' must be a text", [](auto& p) { p.text.erase("model_sha256"); }},
         {"'input' must be an object", [](auto& p) { p.text["input"] = 3; }},
         {"'scale' must be a number", [](auto& p) { p.text["input"]["scale"] = "1"; }},
         {"'scale' is not a finite number", [](auto& p) { p.text["input"]["scale"] = 1e300; }},
         {"'maps' must be a list", [](auto& p) { p.text["maps"] = json::object(); }},
         {"'name' must be a text", [](auto& p) { p.text["maps"][0] = nullptr; }},
         {"'channels' must be an integer", [](auto& p) { p.text["maps"][0]["channels"] = 4.0; }},
         {"'channels' must be an integer", [](auto& p) { p.text["maps"][0]["channels"] = true; }},
         {"'channels' is 4294967300", [](auto& p) { p.text["maps"][0]["channels"] = 4294967300; }},
         {"'channels' must be an integer", [](auto& p) { p.text["maps"][0]["channels"] = 18446744073709551615u; }},
         {"step 1: 'bias' must be [offset, length]",
          [](auto& p) {
              step(p, 1)["bias"] = {1, 2, 3};
          }},
         {"step 1: 'bias' is [-1, 8]",
          [](auto& p) {
              step(p, 1)["bias"] = {-1, 8};
          }},
         {"step 1: 'depthwise' must be true or false", [](auto& p) { step(p, 1)["depthwise"] = 1; }},
         {"step 1: there is no act 'gelu'", [](auto& p) { step(p, 1)["act"] = "gelu"; }},
         {"step 2: there is no join 'twice'", [](auto& p) { step(p, 2)["join"] = "twice"; }},
         {"step 0: there is no step 'loop'", [](auto& p) { step(p, 0)["kind"] = "loop"; }},
         {"step 0: 'kind' must be a text", [](auto& p) { step(p, 0) = json::array(); }},
         {"'weights' must be an integer", [](auto& p) { p.text.erase("weights"); }}});
}

TEST(a_plan, says_how_much_the_file_holds) {
    expect_refused(detector(), {{"weights and", [](auto& p) { p.text["weights"] = 1023; }},
                                {"weights and", [](auto& p) { p.text["weights"] = 1025; }},
                                {"weights and", [](auto& p) { p.text["weights"] = -1; }},
                                {"weights and", [](auto& p) { p.text["weights"] = std::int64_t{1} << 62; }},
                                {"weights and", [](auto& p) { p.text["numbers"] = 1; }}});
}

TEST(a_plan, keeps_slices_within_what_it_holds) {
    const auto most = std::numeric_limits<std::int64_t>::max();
    expect_refused(detector(), {{"step 0: biases at 1024",
                                 [](auto& p) {
                                     step(p, 0)["bias"] = {1024, 4};
                                 }},
                                {"step 0: biases at",
                                 [=](auto& p) {
                                     step(p, 0)["bias"] = {most - 15, 4};
                                 }},
                                {"step 0: biases at 8",
                                 [](auto& p) {
                                     step(p, 0)["bias"] = {8, 4};
                                 }},
                                {"5 biases where there must be 4",
                                 [](auto& p) {
                                     step(p, 0)["bias"] = {112, 5};
                                 }},
                                {"weights where there must be 108",
                                 [=](auto& p) {
                                     step(p, 0)["weights"] = {0, most};
                                 }},
                                {"depthwise weights that nothing asks for",
                                 [](auto& p) {
                                     step(p, 0)["depthwise_weights"] = {0, 27};
                                 }},
                                {"slopes that nothing asks for",
                                 [](auto& p) {
                                     step(p, 0)["slopes"] = {0, 4};
                                 }},
                                {"0 slopes where there must be 8", [](auto& p) { step(p, 1).erase("slopes"); }}});
}

TEST(a_plan, keeps_sizes_and_channels_to_what_an_engine_can_count) {
    expect_refused(
        detector(),
        {{"map a has 0 channels", [](auto& p) { p.text["maps"][0]["channels"] = 0; }},
         {"map a has -4 channels", [](auto& p) { p.text["maps"][0]["channels"] = -4; }},
         {"map a has 2147483647 channels", [](auto& p) { p.text["maps"][0]["channels"] = 2147483647; }},
         {"map a is 1/3 of an input", [](auto& p) { p.text["maps"][0]["down"] = 3; }},
         {"map a is 1/-2 of an input", [](auto& p) { p.text["maps"][0]["down"] = -2; }},
         {"map a is of two sizes", [](auto& p) { p.text["maps"][0]["height"] = 2; }},
         {"map a is 0 x 0", [](auto& p) { p.text["maps"][0].erase("down"); }},
         {"map a is too large",
          [](auto& p) {
              p.text["maps"][0] = {{"name", "a"}, {"channels", 8192}, {"height", 16384}, {"width", 16384}};
          }},
         {"vector v has 0 numbers", [](auto& p) { p.text["vectors"][0]["length"] = 0; }},
         {"an input of 64 x 0", [](auto& p) { p.text["input"]["height"] = 64; }},
         {"an input of any multiple of 0", [](auto& p) { p.text["input"]["multiple"] = 0; }},
         {"map a is 1/2 of an input", [](auto& p) { p.text["input"]["height"] = p.text["input"]["width"] = 9; }},
         {"name is 300 bytes long", [](auto& p) { p.text["maps"][0]["name"] = std::string(300, 'x'); }},
         {"more than 4096", [](auto& p) { p.text["maps"] = json(5000, p.text["maps"][0]); }}});
}

TEST(a_plan, has_convolutions_that_fit_what_they_read_and_fill) {
    expect_refused(
        detector(),
        {{"step 1: there is no map 9", [](auto& p) { step(p, 1)["x"] = 9; }},
         {"step 1: there is no map -2", [](auto& p) { step(p, 1)["x"] = -2; }},
         {"step 1: there is no map -1", [](auto& p) { step(p, 1)["y"] = -1; }},
         {"step 0: reads map b before all of it is written", [](auto& p) { step(p, 0)["x"] = 1; }},
         {"step 3: reads map c before all of it is written", [](auto& p) { step(p, 3)["x"] = 2; }},
         {"step 1: reads map b before", [](auto& p) { step(p, 1)["x"] = 1; }},
         {"step 0: reads 4 channels of 3", [](auto& p) { step(p, 0)["inputs"] = 4; }},
         {"step 0: makes 0 channels", [](auto& p) { step(p, 0)["outputs"] = 0; }},
         {"step 0: a kernel of 7", [](auto& p) { step(p, 0)["kernel"] = 7; }},
         {"step 2: a kernel of 5", [](auto& p) { step(p, 2)["kernel"] = 5; }},
         {"step 0: a stride of 0", [](auto& p) { step(p, 0)["stride"] = 0; }},
         {"step 2: a stride of 2", [](auto& p) { step(p, 2)["stride"] = 2; }},
         {"step 0: padding of 7", [](auto& p) { step(p, 0)["pad"] = 7; }},
         {"step 0: pools before a wider kernel than 1", [](auto& p) { step(p, 0)["pool_first"] = true; }},
         {"step 1: a kernel of 3 after a depthwise one", [](auto& p) { step(p, 1)["kernel"] = 3; }},
         {"step 0: an activation of a depthwise", [](auto& p) { step(p, 0)["depthwise_relu"] = true; }},
         {"step 0: its output does not fit the size of map 0", [](auto& p) { step(p, 0)["stride"] = 1; }},
         {"step 2: its output does not fit the size of map 2", [](auto& p) { step(p, 2)["pool_first"] = true; }},
         {"step 2: fills channels 2 and 8 more of a map of 9", [](auto& p) { step(p, 2)["into"] = 2; }},
         {"step 2: fills channels -1 and", [](auto& p) { step(p, 2)["into"] = -1; }},
         {"step 2: fills channels 2147483647 and", [](auto& p) { step(p, 2)["into"] = 2147483647; }},
         {"step 3: fills channel 7 of a map a second time", [](auto& p) { step(p, 3)["into"] = 7; }},
         {"no step fills map", [](auto& p) {
              p.text["maps"].push_back({{"name", "d"}, {"channels", 1}, {"down", 1}});
          }}});
}

TEST(a_plan, joins_maps_that_fit) {
    expect_refused(detector(),
                   {{"step 2: joins map 1, which does not fit in size", [](auto& p) { step(p, 2)["join"] = "same"; }},
                    {"step 2: joins map 1, which does not fit in size", [](auto& p) { step(p, 2)["join"] = "pooled"; }},
                    {"step 2: joins map 0, which does not fit in size", [](auto& p) { step(p, 2)["joined"] = 0; }},
                    {"step 2: there is no map -1", [](auto& p) { step(p, 2)["joined"] = -1; }},
                    {"step 2: reads map c before", [](auto& p) { step(p, 2)["joined"] = 2; }},
                    {"step 3: joins 8 channels to 1", [](auto& p) {
                         step(p, 3).update({{"join", "smoothed"}, {"joined", 1}, {"joined_first", true}});
                     }}});
}

TEST(a_plan, has_heads_whose_parts_take_each_channel_once) {
    const auto part = [](plan_text& p, std::size_t i) -> json& { return step(p, 4)["parts"][i]; };
    expect_refused(detector(),
                   {{"step 4: a part of 7 channels", [=](auto& p) { part(p, 1)["channels"] = 7; }},
                    {"step 4: writes 5 numbers to a vector of 6", [=](auto& p) { part(p, 1)["channels"] = 5; }},
                    {"step 4: a part of -6 channels", [=](auto& p) { part(p, 1)["channels"] = -6; }},
                    {"step 4: its parts take 2 channels of 8", [](auto& p) { step(p, 4)["parts"].erase(1); }},
                    {"step 4: there is no vector 2", [=](auto& p) { part(p, 1)["y"] = 2; }},
                    {"step 4: pairs of 6 channels", [=](auto& p) { part(p, 1)["pairs"] = true; }},
                    {"step 4: writes vector 0 a second time",
                     [=](auto& p) {
                         p.text["vectors"][0]["length"] = 4;
                         part(p, 0)["channels"] = part(p, 1)["channels"] = 4;
                         part(p, 1)["y"] = 0;
                     }},
                    {"no step writes vector x", [](auto& p) {
                         p.text["vectors"].push_back({{"name", "x"}, {"length", 1}});
                     }}});
}

TEST(a_plan, has_weights_that_are_finite) {
    expect_refused(detector(), {{"a weight is not a finite number",
                                 [](auto& p) { p.weights.back() = std::numeric_limits<float>::quiet_NaN(); }},
                                {"a weight is not a finite number",
                                 [](auto& p) { p.weights.front() = -std::numeric_limits<float>::infinity(); }}});
}

struct plan_of_the_mesh : testing::Test {
    plan_text whole = committed("face_landmark_with_attention.plan");

    // The first step of a kind.
    static json& first(plan_text& p, const char* kind) {
        return *std::find_if(p.text["steps"].begin(), p.text["steps"].end(),
                             [&](auto& s) { return s["kind"] == kind; });
    }
    static json& looks(plan_text& p) { return first(p, "attention"); }
    static json& landmarks(plan_text& p) { return first(p, "landmarks"); }
};

TEST_F(plan_of_the_mesh, has_products_of_whole_maps) {
    expect_refused(whole, {{"reads 287 numbers of 288", [](auto& p) { first(p, "dense")["inputs"] = 287; }},
                           {"makes 0 numbers", [](auto& p) { first(p, "dense")["outputs"] = 0; }},
                           {"makes 100000 numbers", [](auto& p) { first(p, "dense")["outputs"] = 100000; }},
                           {"numbers to a vector of 1405", [](auto& p) {
                                first(p, "dense")["outputs"] = 1404;
                                first(p, "dense")["bias"][1] = 1404;
                                first(p, "dense")["weights"][1] = 1404 * 288;
                            }}});
}

TEST_F(plan_of_the_mesh, looks_at_landmarks_that_there_are) {
    expect_refused(whole, {{"squares of 100000", [](auto& p) { looks(p)["side"] = 100000; }},
                           {"a margin of 0", [](auto& p) { looks(p)["margin"] = 0; }},
                           {"places of samples where there must be 900", [](auto& p) { looks(p)["side"] = 15; }},
                           {"a line from landmark 468", [](auto& p) { looks(p)["heads"][0]["from"] = 468; }},
                           {"a line from landmark -1", [](auto& p) { looks(p)["heads"][0]["from"] = -1; }},
                           {"0 landmarks", [](auto& p) { looks(p)["heads"][1]["spans"][1] = 0; }},
                           {"landmarks at 900",
                            [](auto& p) {
                                looks(p)["heads"][1]["spans"] = {900, 1000};
                            }},
                           {"landmarks that are not all from 0 to 467", [](auto& p) { p.numbers[3] = 468; }},
                           {"no heads", [](auto& p) { looks(p)["heads"] = json::array(); }},
                           {"writes 16 numbers to a vector of 24", [](auto& p) { looks(p)["heads"].erase(0); }},
                           {"is no square of 16", [](auto& p) { looks(p)["heads"][0]["y"] = 0; }},
                           {"before it is written", [](auto& p) { looks(p)["base"] = 4; }},
                           {"fills channel 0 of a map a second time",
                            [](auto& p) { looks(p)["heads"][1]["y"] = looks(p)["heads"][0]["y"]; }}});
}

TEST_F(plan_of_the_mesh, gives_each_landmark_once) {
    const auto rest = [](const plan_text& p) { return p.text["steps"].back()["rest"][0].template get<std::size_t>(); };
    expect_refused(
        whole,
        {{"is given twice", [=](auto& p) { p.numbers[rest(p) + 477] = 1; }},
         {"a landmark that nothing gives", [=](auto& p) { p.numbers[rest(p) + 1] = -1; }},
         {"landmarks that stay that are not all from -1 to 467", [=](auto& p) { p.numbers[rest(p) + 1] = 470; }},
         {"477 landmarks that stay", [](auto& p) { landmarks(p)["rest"][1] = 477; }},
         {"there is no transform 3", [](auto& p) { landmarks(p)["heads"][0]["head"] = 3; }},
         {"79 places of points", [](auto& p) { landmarks(p)["heads"][0]["targets"][1] = 79; }},
         {"'iris' must have two entries", [](auto& p) { landmarks(p)["iris"].erase(0); }},
         {"0 landmarks around an iris", [](auto& p) { landmarks(p)["iris"][0][1] = 0; }},
         {"writes 1 numbers to a vector of 1434", [](auto& p) { landmarks(p)["score"] = landmarks(p)["landmarks"]; }}});
}

TEST(plans_of_the_models, fit_their_models) {
    for (const char* name : {"face_detection_full_range", "face_landmark_with_attention"}) {
        const auto model = test::checkout() / "models" / (std::string(name) + ".onnx");
        const auto p = load_plan(model, sha256_of(model).value());
        ASSERT_OK(p);
        EXPECT_EQ(p->input.height, 192);
        EXPECT_EQ(p->input.width, 192);
    }
}

TEST(plans_of_the_models, fit_retinaface_of_any_size) {
    const auto model = test::checkout() / "assets/models/retinaface_mnet25.onnx";
    if (!std::filesystem::exists(model)) GTEST_SKIP() << "RetinaFace's model is absent: run tools/setup.sh";
    const auto p = load_plan(model, sha256_of(model).value());
    ASSERT_OK(p);
    EXPECT_EQ(p->input.multiple, 32);
    EXPECT_EQ(p->input.scale, 255.0f / 128);
    EXPECT_EQ(p->input.bias, -127.5f / 128);
}

TEST(a_plan_beside_a_model, that_is_not_there_is_not_found) {
    const test::temporary_folder folder;
    const auto p = load_plan(folder / "some.onnx", "");
    ASSERT_FALSE(p);
    EXPECT_EQ(p.error().code, errc::not_found);
    EXPECT_THAT(p.error().message, HasSubstr("some.plan"));
}

TEST(a_plan_beside_a_model, of_other_bytes_is_refused) {
    const test::temporary_folder folder;
    const auto bytes = detector().bytes();
    std::ofstream(folder / "some.plan", std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    EXPECT_OK(load_plan(folder / "some.onnx", "of a model"));
    const auto p = load_plan(folder / "some.onnx", "of another");
    ASSERT_FALSE(p);
    EXPECT_EQ(p.error().code, errc::corrupt);
    EXPECT_THAT(p.error().message, HasSubstr("was made from another model than some.onnx"));
}

TEST(a_plan_beside_a_model, that_is_none_says_which_file) {
    const test::temporary_folder folder;
    std::ofstream(folder / "some.plan") << "no plan";
    const auto p = load_plan(folder / "some.onnx", "");
    ASSERT_FALSE(p);
    EXPECT_EQ(p.error().code, errc::corrupt);
    EXPECT_THAT(p.error().message, HasSubstr("some.plan"));
}

}  // namespace
}  // namespace faceflow::internal::inference
