#pragma once

struct names_testing_splits : names {
    using names::names;
    struct my_decoder {
        std::string text;
        void feed(std::string_view piece) { text += piece; }
        std::string result() const { return text; }
    };
    std::string request_text = "GET / HTTP/1.1", expected = request_text;
};
